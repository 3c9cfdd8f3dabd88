"""Which backbone fits the images: decided by their size and tones alone, so that no label of a later test image has a say."""

from collections.abc import Sequence
from statistics import median
from typing import NamedTuple

import numpy as np

from components.embed.config import EmbedConfig
from darkroom.images import Images
from darkroom.networks.architectures import HANDCRAFTED
from darkroom.picture_info import read_info
from darkroom.pixels import UnreadableError, decode
from darkroom.system.parallel import ordered

PRETRAINED = "lite0"
_LOOK_PX = 128  # a JPEG may be decoded at a fraction of its size that keeps so many pixels
_HELD_SHARE = 0.001  # of the pixels that must have a tone, so that the noise of a JPEG adds none


class Choice(NamedTuple):
    """A backbone.

    Attributes:
        name: As in `embed.backbone`, but never `auto`.
        reason: Why, in one sentence.
    """

    name: str
    reason: str


def choose_backbone(images: Images, names: Sequence[str], config: EmbedConfig) -> Choice:
    """The backbone that is set, or the one that fits the images.

    Args:
        images: The packed images.
        names: Their ids, sorted.
        config: `backbone`, and what `auto` rests on.
    """
    if not names:  # as where there is no frozen evaluation set: nothing is loaded
        return Choice(HANDCRAFTED, "")
    if config.weights:
        return Choice(config.backbone, "backbone with the weights that embed.weights names")
    if config.backbone != "auto":
        return Choice(config.backbone, f"backbone {config.backbone}, as embed.backbone says")
    step = max(1, len(names) // config.auto_sample)  # ids are hashes: any of them are a fair sample
    looks = [look for look in ordered(_look, (images[name] for name in names[::step])) if look]
    if not looks:
        return Choice(HANDCRAFTED, "hand-made features, as no image can be decoded")
    side, tones = (round(median(values)) for values in zip(*looks, strict=True))
    for found, least, unit in ((side, "auto_min_side_px", "px on their shorter sides"), (tones, "auto_min_tones", "tones")):
        if found < getattr(config, least):
            what = f"{found} {unit}, below the {getattr(config, least)} of embed.{least}"
            return Choice(HANDCRAFTED, f"hand-made features, as the images have {what} (median of {len(looks):,})")
    return Choice(PRETRAINED, f"backbone {PRETRAINED}, as the images have {side} px on their shorter sides and {tones} tones")


def _look(data: bytes) -> tuple[int, int] | None:
    """The shorter side in pixels and the number of tones of an image, if it can be decoded."""
    try:
        counts = np.array(decode(data, at_least_px=_LOOK_PX).convert("L").histogram())
        return min(read_info(data).size), int((counts >= max(1.0, _HELD_SHARE * counts.sum())).sum())
    except UnreadableError:
        return None
