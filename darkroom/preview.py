"""A small picture of an image, made anew from its pixels: no byte of the file is handed on as it is."""

import io
from typing import Literal, NamedTuple

from PIL import Image

from darkroom.pixels import decode

LOSSLESS_PX = 96  # JPEG would blur a tiny picture
_QUALITY = 85


class Preview(NamedTuple):
    """A picture as a file.

    Attributes:
        data: Its bytes.
        kind: Of the file: PNG where the picture is small, so that its pixels are as they were.
    """

    data: bytes
    kind: Literal["png", "jpeg"]


def preview(data: bytes, side_px: int, lossless_px: int = LOSSLESS_PX) -> Preview:
    """Makes a picture of at most so many pixels a side.

    Args:
        data: The bytes of an image file.
        side_px: The most that the longer side gets; smaller ones stay as they are.
        lossless_px: Of the longer side, up to which it is a PNG.

    Raises:
        UnreadableError: It can't be decoded.
    """
    picture = decode(data, at_least_px=side_px)
    picture.thumbnail((side_px, side_px), Image.Resampling.LANCZOS)
    kind: Literal["png", "jpeg"] = "png" if max(picture.size) <= lossless_px else "jpeg"
    file = io.BytesIO()
    picture.save(file, kind.upper(), quality=_QUALITY)
    return Preview(file.getvalue(), kind)
