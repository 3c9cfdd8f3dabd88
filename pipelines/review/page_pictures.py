"""Pictures for the page, made when the page asks for them."""

import os
import threading
from collections.abc import Callable
from functools import lru_cache

from darkroom.pixels import UnreadableError
from darkroom.preview import preview

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
                return preview(data, SIDES_PX[size], SIDES_PX[size] // 2).data
            except UnreadableError:
                return None

    small = lru_cache(_KEPT)(lambda name: make(name, "small"))
    return lambda name, size: small(name) if size == "small" else make(name, size)
