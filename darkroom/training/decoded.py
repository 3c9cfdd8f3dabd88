"""Decoded images for a training: in memory, in a file, or decoded whenever they are asked for.

Which it is follows from their size and from the room that there is, see `darkroom.pixel_store`, and is said. A batch is the same, bit for
bit, wherever it comes from.
"""

import tempfile
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from darkroom import pixel_store
from darkroom.images import Images
from darkroom.pixels import UnreadableError, pixels
from darkroom.preprocessing.recipe import Recipe
from darkroom.system.cores import num_cores
from darkroom.system.errors import InputError
from darkroom.system.parallel import ordered
from darkroom.system.scratch import NoRoomError, scratch

_BATCHES_AHEAD = 2  # that are decoded while a batch is learnt from


class ImageFiles(NamedTuple):
    """Images as files, and how they become pixels.

    Attributes:
        packed: Where their bytes are.
        names: `image_id` of each.
        paths: What each is called in messages.
        recipe: How each is resized.
    """

    packed: Images
    names: Sequence[str]
    paths: Sequence[str]
    recipe: Recipe

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Of all pixels."""
        return (len(self.names), self.recipe.side_px, self.recipe.side_px, 3)

    @property
    def num_bytes(self) -> int:
        """Of all pixels."""
        return len(self.names) * 3 * self.recipe.side_px**2

    def once_each(self) -> "ImageFiles":
        """The same without images that come again."""
        first = dict(zip(reversed(self.names), reversed(range(len(self.names))), strict=True))
        rows = sorted(first.values())
        return self._replace(names=[self.names[row] for row in rows], paths=[self.paths[row] for row in rows])

    def decode(self, row: int) -> npt.NDArray[np.uint8]:
        """The pixels of one, `(S, S, 3) uint8`.

        Raises:
            InputError: It can't be decoded.
        """
        try:
            return pixels(self.packed[self.names[row]], self.recipe)
        except UnreadableError as error:
            raise InputError(f"{self.paths[row]} can't be decoded ({error}): let clean drop it, or repair the file") from None

    def is_readable(self, row: int) -> bool:
        """Whether one can be decoded."""
        try:
            pixels(self.packed[self.names[row]], self.recipe)
        except UnreadableError:
            return False
        return True

    def decode_all(self, result: npt.NDArray[np.uint8], unreadable: set[int] | None = None) -> None:
        """Decodes all of them on all cores that the process was given.

        Args:
            result: `(N, S, S, 3) uint8`, gets the pixels.
            unreadable: Gets the rows of those that can't be decoded, which are left black; none: they are an error.

        Raises:
            InputError: An image can't be decoded.
        """

        def fill(row: int) -> None:
            try:
                result[row] = self.decode(row)
            except InputError:
                if unreadable is None:
                    raise
                result[row] = 0
                unreadable.add(row)

        with ThreadPoolExecutor(num_cores()) as threads:
            for _ in threads.map(fill, range(len(self.names))):
                pass


class OnTheFly:
    """Images that are decoded whenever they are asked for, on threads, and ahead of that where it is said which come next.

    Like a tensor `(N, S, S, 3) uint8` on the CPU it has a shape and a device, and gives the images of some rows.

    Args:
        files: The images.
    """

    device = torch.device("cpu")

    def __init__(self, files: ImageFiles) -> None:
        self._files, self._ready = files, dict[int, npt.NDArray[np.uint8]]()
        self.shape = files.shape

    def __getitem__(self, rows: Tensor) -> Tensor:
        wanted, ready = rows.tolist(), self._ready
        missing = list(dict.fromkeys(row for row in wanted if row not in ready))
        found = ready | dict(zip(missing, ordered(self._files.decode, missing), strict=True))
        result = np.zeros((len(wanted), *self.shape[1:]), np.uint8)
        for place, row in enumerate(wanted):
            result[place] = found[row]
        return torch.from_numpy(result)

    def ahead(self, batches: Sequence[Tensor]) -> Iterator[int]:
        """Yields the number of each batch when its images are ready, while those of the next are being decoded.

        Args:
            batches: Rows, `(n,) int64` each.
        """
        most = _BATCHES_AHEAD * max(map(len, batches), default=0)
        rows = chain.from_iterable(some.tolist() for some in batches)
        with closing(ordered(self._files.decode, rows, ahead=most)) as found:  # type: ignore[type-var]
            try:
                for number, some in enumerate(batches):
                    self._ready = {row: next(found) for row in some.tolist()}
                    yield number
            finally:
                self._ready = {}

    def plain(self) -> dict[str, Any]:
        """What another process makes the same from, see `of`."""
        files = self._files
        folders = [str(folder.resolve()) for folder in files.packed.folders]
        return {"folders": folders, "names": list(files.names), "paths": list(files.paths), "recipe": files.recipe.plain()}

    @classmethod
    def of(cls, plain: dict[str, Any]) -> "OnTheFly":
        """What `plain` described."""
        packed = Images(*map(Path, plain["folders"]))
        return cls(ImageFiles(packed, plain["names"], plain["paths"], Recipe.of(plain["recipe"])))


class Decoded(NamedTuple):
    """Decoded images.

    Attributes:
        pixels: `(M, S, S, 3) uint8`, or what decodes them on the fly.
        rows: `(N,) int64` of the images that were asked for; none: they are all of them, in their order.
    """

    pixels: Tensor | OnTheFly
    rows: Tensor | None = None


def decode(files: ImageFiles, unreadable: set[int] | None = None) -> Decoded:
    """Decodes images, at once and where there is room for them, or on the fly; says which.

    Args:
        files: The images.
        unreadable: Gets the rows of those that can't be decoded, whose pixels mean nothing; none: they are an error.

    Raises:
        InputError: An image can't be decoded, or the store can't be written.
    """
    size = told_size(files.num_bytes)
    store = files.packed.store if files.num_bytes > pixel_store.MEMORY_BYTES and unreadable is None else None
    if store and (kept := _kept(files, store, size)):
        return kept
    try:
        result = scratch(files.shape, np.uint8, pixel_store.MEMORY_BYTES)
    except NoRoomError:
        print(f"{size} of decoded images have no room on the disk or in memory: they are decoded on the fly, in every epoch", flush=True)
        rows = range(len(files.names))
        if unreadable is not None:
            unreadable.update(row for row, is_fine in zip(rows, ordered(files.is_readable, rows), strict=True) if not is_fine)
        return Decoded(OnTheFly(files))
    files.decode_all(result, unreadable)
    where = f"a scratch file under {tempfile.gettempdir()}" if result.base is not None else "memory"
    print(f"{size} of decoded images are in {where}", flush=True)
    return Decoded(torch.from_numpy(result))


def _kept(files: ImageFiles, store: Path, size: str) -> Decoded | None:
    """The images in a store, into which they are decoded if they are not there yet; none where it has no room for them."""
    found = pixel_store.find(store, files.names, files.recipe)
    how = "mapped from"
    if not found:
        once, how = files.once_each(), "kept in"
        found = pixel_store.keep(store, once.names, once.recipe, once.decode_all)
        if not found:
            return None
        places = dict(zip(once.names, found.rows.tolist(), strict=True))
        found = found._replace(rows=np.array([places[name] for name in files.names], np.int64))
    print(f"{size} of decoded images are {how} {found.folder}", flush=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # nobody writes into the tensor, which can't be written to
        return Decoded(torch.from_numpy(found.pixels), torch.from_numpy(found.rows))


def told_size(num_bytes: int) -> str:
    """A number of bytes, for people."""
    return f"{num_bytes / 1e9:,.1f} GB" if num_bytes >= 1e9 else f"{num_bytes / 1e6:,.1f} MB"
