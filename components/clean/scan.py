"""Scans an image: decodes it once to find whether it is whole, its size, and a hash of its pixels."""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from darkroom.images import Images
from darkroom.pixels import TooManyPixelsError, UndecodedError, UnreadableError, decode
from darkroom.system.parallel import ordered


@dataclass(frozen=True)
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
    """

    pixels: str = ""
    width: int = 0
    height: int = 0
    check: Literal["", "unreadable", "undecoded", "refused"] = ""
    num_bytes: int = 0
    reason: str = ""


def scan_image(data: bytes) -> Scan:
    """Decodes a file and hashes its pixels."""
    try:
        picture = decode(data)
    except UndecodedError as error:
        return Scan(check="undecoded", num_bytes=len(data), reason=str(error))
    except TooManyPixelsError as error:
        return Scan(check="refused", num_bytes=len(data), reason=str(error))
    except UnreadableError as error:
        return Scan(check="unreadable", num_bytes=len(data), reason=str(error) if data else "the file is empty")
    digest = hashlib.sha256(f"{picture.width}x{picture.height}:".encode())
    digest.update(picture.tobytes())
    return Scan(digest.hexdigest()[:32], picture.width, picture.height, num_bytes=len(data))


def scan_images(images: Images, names: Iterable[str]) -> Iterator[tuple[str, Scan]]:
    """Scans images one after the other on two threads, a few in memory at a time.

    Args:
        images: The packed images.
        names: Their `image_id`s, each once.

    Yields:
        `image_id` and its scan, in the order of `names`.
    """
    return ordered(lambda name: (name, scan_image(images[name])), names, ahead=4)
