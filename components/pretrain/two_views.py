"""What makes a view of an image, by the operations of `darkroom.augmentation`."""

from components.pretrain.config import PretrainConfig
from darkroom.augmentation.policy import Operation, Policy

KEPT = ("horizontal_flip", "vertical_flip", "rotation")  # whether a thing stays the same so, `augment` has found out
ASPECT = 4 / 3  # of SimCLR's windows
HUE_DEGREES = 45.0  # at full strength
SHARE = 0.8  # of the views, whose colours change


def view_policy(given: Policy, config: PretrainConfig) -> Policy:
    """The operations by which views of an image differ: a window, the colours, and what `augment` mirrors and turns.

    Args:
        given: What `augment` settled for the training images.
        config: Smallest window, and the strength of colours.
    """
    kept = [operation for name in KEPT if (operation := given.get(name))]
    windows = [
        Operation(name="crop", probability=1.0, low=config.min_crop, high=1.0),
        Operation(name="aspect", probability=1.0, low=1 / ASPECT, high=ASPECT),
    ]
    strength = config.colour_strength
    factors = [Operation(name=name, probability=SHARE, low=1 - strength, high=1 + strength) for name in ("contrast", "saturation")]
    factors.append(Operation(name="brightness", probability=SHARE, low=1 - strength / 2, high=1 + strength / 2))
    hue = Operation(name="hue", probability=SHARE, low=-HUE_DEGREES * strength, high=HUE_DEGREES * strength)
    return Policy(operations=(*kept, *windows, *([*factors, hue] if strength else [])))
