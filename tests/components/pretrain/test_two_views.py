import torch

from components.pretrain.config import PretrainConfig
from components.pretrain.two_views import view_policy
from darkroom.augmentation.operations import apply
from darkroom.augmentation.policy import Operation, Policy

GIVEN = Policy(
    operations=(
        Operation(name="horizontal_flip", probability=0.5),
        Operation(name="rotation", probability=0.3, low=-9, high=9),
        Operation(name="crop", probability=0.1, low=0.9, high=1),
        Operation(name="erasing", probability=0.1, low=0.1, high=0.2),
    )
)


def test_what_augment_found_harmless_stays_and_windows_are_pretrains_own() -> None:
    policy = view_policy(GIVEN, PretrainConfig(min_crop=0.3))
    assert policy.get("horizontal_flip") == GIVEN.get("horizontal_flip")
    assert policy.get("rotation") == GIVEN.get("rotation")
    assert policy.get("crop") == Operation(name="crop", probability=1, low=0.3, high=1)
    assert policy.get("vertical_flip") is None and policy.get("erasing") is None


def test_without_strength_colours_stay() -> None:
    grey = torch.rand(4, 1, 8, 8).expand(4, 3, 8, 8) * torch.tensor([1.0, 0.5, 0.25])[:, None, None]
    views = apply(view_policy(Policy(), PretrainConfig(colour_strength=0)), grey, torch.Generator().manual_seed(0))
    assert torch.allclose(views[:, 1], views[:, 0] / 2, atol=1e-6) and torch.allclose(views[:, 2], views[:, 0] / 4, atol=1e-6)
    coloured = apply(view_policy(Policy(), PretrainConfig()), grey, torch.Generator().manual_seed(0))
    assert not torch.allclose(coloured[:, 1], coloured[:, 0] / 2, atol=1e-2)
