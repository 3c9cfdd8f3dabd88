"""The architectures that there are, by name."""

import difflib
from functools import cache

from darkroom.networks.families import ON_VECTORS
from darkroom.system.errors import InputError

AUTO = "auto"  # `train` decides
LOCAL = "lite0_local"  # see `darkroom.networks.local_network`
OWN = ("small_cnn", LOCAL)
SHORT = {f"lite{size}": f"tf_efficientnet_lite{size}" for size in range(3)}
HANDCRAFTED = "handcrafted"  # a backbone without learnt weights
TIMM = "timm/"  # before the name of a network that torchvision has as well


def check_architecture(name: str) -> None:
    """Raises `InputError`, with the names that are near, unless it is `auto`, an architecture's, or a family's on embeddings."""
    if name != AUTO and name not in ON_VECTORS:
        canonical(name)


def canonical(name: str) -> str:
    """The architecture that a name means, as a model's card has it.

    Args:
        name: `small_cnn`; `lite0_local`; `lite0`, `lite1` or `lite2`; or a classification model of torchvision or timm. A name that both
            have is torchvision's, with `timm/` before it timm's.

    Raises:
        InputError: No network has that name; the message has names that are near.
    """
    if name in OWN or name in SHORT.values():
        return name
    if name in SHORT:
        return SHORT[name]
    if name in torchvision_names():
        return name
    import timm  # takes seconds, as torchvision does; the networks above do without

    bare = name.removeprefix(TIMM)
    if timm.is_model(bare):
        return name if bare in torchvision_names() else bare
    known = dict.fromkeys((*OWN, *SHORT, *torchvision_names(), *timm.list_models()))
    near = difflib.get_close_matches(bare.lower(), list(known), n=3)
    hint = f"did you mean {' or '.join(near)}?" if near else f"known are {', '.join((*OWN, *SHORT))} and what torchvision and timm have"
    raise InputError(f"train.model is {name!r}, which is no network: {hint}")


def is_timm(architecture: str) -> bool:
    """Whether an architecture, as `canonical` gives it, is timm's."""
    return architecture in SHORT.values() or (architecture not in OWN and architecture not in torchvision_names())


@cache
def torchvision_names() -> frozenset[str]:
    """The names of torchvision's classification models."""
    from torchvision import models

    return frozenset(models.list_models(module=models))
