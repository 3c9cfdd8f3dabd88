"""Backbones by name."""

import difflib

from darkroom.networks.handcrafted import handcrafted_backbone
from darkroom.networks.pretrained import Backbone, packaged_backbone
from darkroom.system.errors import InputError

SHORT = {"lite0": "tf_efficientnet_lite0", "lite1": "tf_efficientnet_lite1", "lite2": "tf_efficientnet_lite2"}
HANDCRAFTED = "handcrafted"


def backbone_of(name: str) -> Backbone:
    """The backbone of a name, with its weights.

    Raises:
        InputError: There is none, or its weights are not installed.
    """
    if name == HANDCRAFTED:
        return handcrafted_backbone()
    if name in SHORT:
        return packaged_backbone(SHORT[name])
    known = ["auto", HANDCRAFTED, *SHORT]
    near = difflib.get_close_matches(name.lower(), known, n=1)
    hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}"
    raise InputError(f"embed.backbone is {name!r}, which is no backbone: {hint}")
