"""Scans an image: decodes it once to find whether it is whole, its size, a hash of its pixels, and how dark, blurred ... it is."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from darkroom.image_quality import MEASURES, Draft, Floats, draft, measure
from darkroom.images import Images
from darkroom.pixels import TooManyPixelsError, UndecodedError, UnreadableError, decode
from darkroom.system.parallel import ordered

_TOGETHER = 32  # images that are measured at once
_UNKNOWN = np.full(len(MEASURES), np.nan, np.float32)


@dataclass(frozen=True, slots=True)
class Scan:
    """What decoding an image shows.

    Attributes:
        pixels: Hash of size and pixels (RGB, upright, transparency on white), equal for equal pictures; empty where
            there is no picture.
        width: In pixels.
        height: In pixels.
        check: What is wrong: `unreadable`, `undecoded` (a format that is not decoded) or `refused`; empty where nothing is.
        num_bytes: Size of the file.
        reason: What is wrong, for a person.
        quality: `(5,) float32`, see `darkroom.image_quality.measure`; NaN where there is no picture.
    """

    pixels: str = ""
    width: int = 0
    height: int = 0
    check: Literal["", "unreadable", "undecoded", "refused"] = ""
    num_bytes: int = 0
    reason: str = ""
    quality: Floats = field(default_factory=lambda: _UNKNOWN)


def scan_images(images: Images, names: Iterable[str]) -> Iterator[tuple[str, Scan]]:
    """Scans images on every core, a few in memory at a time.

    Args:
        images: The packed images.
        names: Their `image_id`s, each once.

    Yields:
        `image_id` and its scan, in the order of `names`.
    """
    known = list(names)
    blocks = (known[start : start + _TOGETHER] for start in range(0, len(known), _TOGETHER))
    for found in ordered(lambda block: _scan_together(images, block), blocks, ahead=2):
        yield from found


def _scan_together(images: Images, names: Sequence[str]) -> list[tuple[str, Scan]]:
    """Scans some images, and measures all at once those that have a picture."""
    scans = [_scan_image(images[name]) for name in names]
    drafts = [one for _, one in scans if one is not None]
    qualities = iter(measure(drafts))
    return [(name, scan if one is None else replace(scan, quality=next(qualities))) for name, (scan, one) in zip(names, scans, strict=True)]


def _scan_image(data: bytes) -> tuple[Scan, Draft | None]:
    """Decodes a file, hashes its pixels, and gives what is to be measured."""
    try:
        picture = decode(data)
    except UndecodedError as error:
        return Scan(check="undecoded", num_bytes=len(data), reason=str(error)), None
    except TooManyPixelsError as error:
        return Scan(check="refused", num_bytes=len(data), reason=str(error)), None
    except UnreadableError as error:
        return Scan(check="unreadable", num_bytes=len(data), reason=str(error) if data else "the file is empty"), None
    digest = hashlib.sha256(f"{picture.width}x{picture.height}:".encode())
    digest.update(picture.tobytes())
    return Scan(digest.hexdigest()[:32], picture.width, picture.height, num_bytes=len(data)), draft(picture)
