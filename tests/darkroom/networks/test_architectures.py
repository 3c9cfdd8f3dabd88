"""The architectures that there are, by name."""

import pytest

from darkroom.networks.architectures import canonical, check_architecture, is_timm
from darkroom.system.errors import InputError


@pytest.mark.parametrize(
    ("name", "architecture", "timms"),
    [
        ("small_cnn", "small_cnn", False),
        ("lite0", "tf_efficientnet_lite0", True),
        ("timm/tf_efficientnet_lite2", "tf_efficientnet_lite2", True),
        ("resnet18", "resnet18", False),
        ("timm/resnet18", "timm/resnet18", True),
        ("convnext_atto", "convnext_atto", True),
        ("timm/vit_tiny_patch16_224", "vit_tiny_patch16_224", True),
    ],
)
def test_a_name_means_one_architecture_and_is_one_itself(name, architecture, timms):
    assert canonical(name) == canonical(architecture) == architecture
    assert is_timm(architecture) == timms


@pytest.mark.parametrize(
    ("name", "near"), [("resnet81", "resnet18"), ("convnext_ato", "convnext_atto"), ("lite3", "lite0"), ("xyzzy", "small_cnn")]
)
def test_a_name_that_is_near_is_proposed(name, near):
    with pytest.raises(InputError, match=rf"train\.model is '{name}'.*{near}"):
        check_architecture(name)


def test_auto_is_left_to_train():
    check_architecture("auto")
    with pytest.raises(InputError):
        canonical("auto")
