"""Decoded images that are kept from run to run, so that what trains on the same images maps them instead of decoding them again.

Beside the kept vectors, a folder for a list of images and a recipe: the pixels of all of them, one after the other, and a table with
their ids and checksums. A folder appears whole or not at all, and never changes; a damaged one is removed, and its images are decoded
again. `darkroom gc` removes those that no kept run trains on. On a volume, and with DVC, nobody runs it: whenever a folder is kept, those
that have not been used for 30 days are removed. None is kept unless 1 GiB of the disk stays free, for checkpoints and models.

Where decoded images are, by their size: up to `MEMORY_BYTES` in memory (and on the GPU, where they take no more than half of what is free
there); above it here, if there is a store, else in a scratch file of one training; where neither disk nor memory has room, nowhere:
each is decoded whenever it is asked for. See `darkroom.training.decoded`.
"""

import errno
import hashlib
import json
import os
import shutil
import time
import uuid
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import PIL
import pyarrow as pa

from darkroom.file_formats import DICOM, HEIC
from darkroom.preprocessing.recipe import Recipe
from darkroom.system.files import remove
from darkroom.system.mapped import arrow_source, mapped
from darkroom.system.parallel import ordered
from darkroom.system.scratch import NoRoomError, reserve
from darkroom.units import Integers
from darkroom.vector_store import writable
from darkroom.versions.code import module_version

MEMORY_BYTES = 2**30  # of decoded images, or of their kept views, up to which they are in memory
KEPT_AS = f"pixels-1-pillow-{PIL.__version__}"  # another decoder may give other pixels; another layout of the files needs a new number
PIXELS, IDS = "pixels.bin", "images.arrow"
_SCHEMA = pa.schema([("image_id", pa.string()), ("crc32", pa.uint32())])
_DECODERS = (HEIC.decoder, DICOM.decoder, "pylibjpeg-libjpeg", "pylibjpeg-openjpeg", "python-gdcm", "pyjpegls")  # the latter for pydicom
_BLOCK = 256  # images that are checked at once
_FREE_BYTES = 2**30  # that stay free on the disk
_ABANDONED_S = 86_400  # a draft that has not changed for so long is of a process that was killed
_UNUSED_S = 30 * 86_400  # a folder in which nothing was looked up for so long is removed

Pixels = npt.NDArray[np.uint8]


class KeptPixels(NamedTuple):
    """Kept images, and where among them those are that were asked for.

    Attributes:
        pixels: `(M, S, S, 3) uint8`, mapped, can't be written to.
        rows: `(N,)` of the images, in the order in which they were asked for.
        folder: Where they are kept.
    """

    pixels: Pixels
    rows: Integers
    folder: Path


def find(root: Path, names: Sequence[str], recipe: Recipe) -> KeptPixels | None:
    """Kept pixels of images, if a folder has all of them; a damaged folder is removed, and it is said.

    Args:
        root: The folder of all kept vectors, scans and pixels.
        names: Ids of the images.
        recipe: How each is resized.

    Raises:
        OSError: A folder can't be read.
    """
    folders = (root / KEPT_AS).glob(f"*-{_recipe_key(recipe)}")
    for folder in sorted(folders, key=lambda path: (path.name != _folder_name(names, recipe), path.name)):
        try:
            known = kept_names(folder)
            places = dict(zip(known, range(len(known)), strict=True))
            if any(name not in places for name in names):
                continue
            pixels = _mapped(folder, recipe.side_px)
        except FileNotFoundError:  # another process has removed it
            continue
        except (pa.ArrowException, OSError, ValueError) as error:
            _require_damage(error)
            print(f"{folder} is damaged: its images are decoded again", flush=True)
            _discard(folder)
            continue
        with suppress(OSError):  # it is another user's
            os.utime(folder / IDS)  # it is in use
        return KeptPixels(pixels, np.array([places[name] for name in names], np.int64), folder)
    return None


def keep(root: Path, names: Sequence[str], recipe: Recipe, fill: Callable[[Pixels], None]) -> KeptPixels | None:
    """Keeps pixels of images; none where the disk has no room for them. Where another process keeps the same, all use the first one's.

    Removes folders that have not been used for 30 days.

    Args:
        root: The folder of all kept vectors, scans and pixels.
        names: Ids of the images, each once.
        recipe: How each is resized.
        fill: Writes the pixels, `(N, S, S, 3) uint8`.

    Raises:
        InputError: The folder can't be written.
    """
    folder, side = root / KEPT_AS / _folder_name(names, recipe), recipe.side_px
    with writable(folder.parent):
        folder.parent.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(folder.parent)
        _remove_unused(root)
    draft = _hidden(folder)
    try:
        draft.mkdir()
        with (draft / PIXELS).open("w+b") as file:
            _reserve(file.fileno(), len(names) * side * side * 3)
            pixels = np.ndarray((len(names), side, side, 3), np.uint8, mapped(file.fileno(), writable=True))
            fill(pixels)
            _write_ids(draft / IDS, names, pixels)
            os.fsync(file.fileno())
        with writable(folder.parent):
            return KeptPixels(_published(draft, folder, side), np.arange(len(names)), folder)
    except NoRoomError:
        return None
    finally:
        remove(draft)


def kept_names(folder: Path) -> list[str]:
    """Ids of the images in a folder of kept pixels.

    Raises:
        OSError: There is no such table.
        pyarrow.ArrowException: It is damaged.
    """
    names: list[str] = _table(folder)["image_id"].to_pylist()
    return names


def kept_folders(root: Path) -> list[Path]:
    """The folders of kept pixels, of any decoder."""
    return [path for path in sorted(root.glob("pixels-*/*")) if not path.name.startswith(".")]


def key_of(names: Sequence[str]) -> str:
    """With what the name of a folder begins that keeps these images, in this order."""
    digest = hashlib.sha256()
    for name in names:
        digest.update(name.encode() + b"\0")
    return digest.hexdigest()[:24]


def _folder_name(names: Sequence[str], recipe: Recipe) -> str:
    return f"{key_of(names)}-{_recipe_key(recipe)}"


def _recipe_key(recipe: Recipe) -> str:
    """A hash of all that decides, beside an image and Pillow, what its pixels are."""
    meaning = recipe.plain() | {"code": module_version("darkroom.pixels"), "decoders": _decoders()}
    if "corrections" in meaning:
        import cv2  # takes a tenth of a second

        meaning["opencv"] = cv2.__version__
    return hashlib.sha256(json.dumps(meaning, sort_keys=True).encode()).hexdigest()[:16]


def _decoders() -> dict[str, str]:
    """Versions of what decodes beside Pillow, as far as it is installed."""
    found = {}
    for name in _DECODERS:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def _mapped(folder: Path, side: int) -> Pixels:
    """The pixels of a folder.

    Raises:
        ValueError: They are not what was written.
    """
    sums = _table(folder)["crc32"].to_numpy()
    if (folder / PIXELS).stat().st_size != len(sums) * side * side * 3:
        raise ValueError(f"{folder} has another size")
    pixels = _viewed(folder, side)
    if any((found != sums[start : start + len(found)]).any() for start, found in _checksums(pixels)):
        raise ValueError(f"{folder} has other pixels")
    return pixels


def _published(draft: Path, folder: Path, side: int) -> Pixels:
    """The pixels of a folder that a draft becomes; where another process was faster, those of its folder, unless it is damaged."""
    while True:
        try:
            draft.rename(folder)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
        else:
            return _viewed(folder, side)
        try:
            return _mapped(folder, side)
        except (pa.ArrowException, OSError, ValueError) as error:
            _require_damage(error)
            _discard(folder)


def _require_damage(error: Exception) -> None:
    """Raises an error of the system, such as of access rights; Arrow's errors of what is in a file have no number."""
    if isinstance(error, OSError) and error.errno not in (None, errno.ENOENT):
        raise error


def _discard(folder: Path) -> None:
    """Removes a folder so that no process sees a half of it."""
    hidden = _hidden(folder)
    with suppress(FileNotFoundError):  # another process has removed it
        folder.rename(hidden)
        remove(hidden)


def _hidden(folder: Path) -> Path:
    """A name beside a folder that no other process uses; what is left there is removed after a day."""
    return folder.with_name(f".{folder.name}.{uuid.uuid4().hex[:12]}.part")


def _reserve(descriptor: int, size: int) -> None:
    try:
        _require_free(descriptor, size + _FREE_BYTES)
        reserve(descriptor, size)
        _require_free(descriptor, _FREE_BYTES)  # another process may have reserved as much at the same time
    except OSError as error:
        raise NoRoomError(str(error)) from None


def _require_free(descriptor: int, size: int) -> None:
    if shutil.disk_usage(descriptor).free < size:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _viewed(folder: Path, side: int) -> Pixels:
    with (folder / PIXELS).open("rb") as file:
        memory = mapped(file.fileno())
    return np.ndarray((len(memory) // (3 * side**2), side, side, 3), np.uint8, memory)


def _checksums(pixels: Pixels) -> Iterator[tuple[int, npt.NDArray[np.uint32]]]:
    """CRC-32 of each image, a block at a time, with the number of its first."""

    def of(start: int) -> tuple[int, npt.NDArray[np.uint32]]:
        return start, np.array([zlib.crc32(picture) for picture in pixels[start : start + _BLOCK]], np.uint32)

    yield from ordered(of, range(0, len(pixels), _BLOCK))


def _write_ids(path: Path, names: Sequence[str], pixels: Pixels) -> None:
    sums = np.concatenate([found for _, found in _checksums(pixels)])
    table = pa.table([pa.array(names, pa.string()), pa.array(sums)], schema=_SCHEMA)
    with path.open("wb") as file, pa.ipc.new_file(file, _SCHEMA) as writer:
        writer.write_table(table)


def _table(folder: Path) -> pa.Table:
    table = pa.ipc.open_file(arrow_source(folder / IDS)).read_all()
    table.validate(full=True)
    return table


def _remove_abandoned(folder: Path) -> None:
    for left in folder.glob(".*.part"):
        with suppress(OSError):  # another process has removed it, or it is another user's
            if max(path.stat().st_mtime for path in (left, *left.iterdir())) < time.time() - _ABANDONED_S:
                remove(left)


def _remove_unused(root: Path) -> None:
    for folder in kept_folders(root):
        with suppress(OSError):
            if (folder / IDS).stat().st_mtime < time.time() - _UNUSED_S:
                _discard(folder)
