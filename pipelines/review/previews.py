"""Pictures for the page, made anew from an image's bytes when the page asks for them: no byte of a file is handed on as it is."""

import io
import os
import threading
from collections.abc import Callable
from functools import lru_cache

from PIL import Image

from darkroom.pixels import UnreadableError, decode

SIDES_PX = {"small": 256, "large": 1280}  # the longer side, at most
_KEPT = 3000  # small ones take about 10 kB each


def previews(image: Callable[[str], bytes | None]) -> Callable[[str, str], bytes | None]:
    """A function that gives an image's preview by its id and one of `SIDES_PX`: JPEG, or nothing where it can't be decoded.

    Args:
        image: Gives the bytes of an image by its id, or nothing.
    """
    busy = threading.Semaphore(os.cpu_count() or 1)  # a picture of 100 million pixels takes memory

    def make(name: str, size: str) -> bytes | None:
        data = image(name)
        if data is None:
            return None
        with busy:
            try:
                picture = decode(data, at_least_px=SIDES_PX[size])
            except UnreadableError:
                return None
            return _encode(picture, SIDES_PX[size])

    small = lru_cache(_KEPT)(lambda name: make(name, "small"))
    return lambda name, size: small(name) if size == "small" else make(name, size)


def _encode(picture: Image.Image, side_px: int) -> bytes:
    """A picture as JPEG; one of a few pixels as PNG, and with its pixels as they are."""
    file = io.BytesIO()
    if max(picture.size) <= side_px // 2:
        picture.save(file, "PNG")
    else:
        picture.thumbnail((side_px, side_px), Image.Resampling.LANCZOS)
        picture.save(file, "JPEG", quality=85)
    return file.getvalue()
