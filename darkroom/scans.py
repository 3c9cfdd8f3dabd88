"""Scans: what decoding an image in full shows: its size, a hash of its pixels, and how dark, blurred ... it is; a row an image.

`embed` makes them while it has the pixels, and writes them beside the embeddings; `clean` reads them. An image that can't be decoded
has none: it is looked at again, as a later decoder may read it.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import PIL
import pyarrow as pa
from PIL import Image

from darkroom.image_quality import MEASURES, Draft, Floats, draft, measure
from darkroom.images import Images
from darkroom.pixels import TooManyPixelsError, UndecodedError, UnreadableError, decode
from darkroom.system.formats import Format
from darkroom.system.mapped import arrow_source
from darkroom.system.parallel import ordered
from darkroom.units import Integers

FILE = "scans.arrow"
SCHEMA = pa.schema(
    [
        ("image_id", pa.string()),
        ("pixel_hash", pa.string()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("quality", pa.list_(pa.float32(), len(MEASURES))),
    ]
)
_KEY = b"darkroom.scans"
_FORMAT = Format("table of scans")  # a measure that changes needs a new number, too: kept scans are known by it
KEPT_AS = f"scans-{_FORMAT.number}-pillow-{PIL.__version__}"  # another decoder may give other pixels
TOGETHER = 32  # images that are measured at once: each alone takes twice as long


class Decoded(NamedTuple):
    """What is kept of a decoded picture until it is measured.

    Attributes:
        pixel_hash: Of size and pixels (RGB, upright, transparency on white), equal for equal pictures.
        width: In pixels.
        height: In pixels.
        draft: What is measured.
    """

    pixel_hash: str
    width: int
    height: int
    draft: Draft


class Unusable(NamedTuple):
    """Why there is no picture.

    Attributes:
        check: `unreadable`, `undecoded` (a format that is not decoded) or `refused`.
        num_bytes: Size of the file.
        reason: For a person.
    """

    check: Literal["unreadable", "undecoded", "refused"]
    num_bytes: int
    reason: str


class Scans:
    """The scans of some images.

    Args:
        batches: Rows as `make_rows` makes them, an image once.
    """

    def __init__(self, batches: Iterable[pa.RecordBatch] = ()) -> None:
        self._table = pa.Table.from_batches(batches, SCHEMA).combine_chunks()

    def __contains__(self, name: object) -> bool:
        return name in self._rows

    @cached_property
    def sizes(self) -> Integers:
        """`(N, 2) int64`: width and height in pixels."""
        return np.stack([self._table[side].to_numpy().astype(np.int64) for side in ("width", "height")], axis=1)

    @cached_property
    def qualities(self) -> Floats:
        """`(N, 5) float32`: see `darkroom.image_quality.measure`."""
        values = self._table["quality"].combine_chunks().flatten().to_numpy(zero_copy_only=False)
        return np.asarray(values, np.float32).reshape(-1, len(MEASURES))

    def rows(self, names: Iterable[str]) -> Integers:
        """The rows of some images.

        Raises:
            KeyError: An image has none.
        """
        return np.array([self._rows[name] for name in names], np.int64)

    def pixel_hash(self, name: str) -> str:
        """32 hexadecimal digits, equal for images of equal size and pixels."""
        return self._hashes[self._rows[name]]

    def together_with(self, batches: Iterable[pa.RecordBatch]) -> "Scans":
        """These scans and those of other images."""
        return Scans([*self._table.to_batches(), *batches])

    @cached_property
    def _hashes(self) -> list[str]:
        found: list[str] = self._table["pixel_hash"].to_pylist()
        return found

    @cached_property
    def _rows(self) -> dict[str, int]:
        return {name: row for row, name in enumerate(self._table["image_id"].to_pylist())}


def scanned(picture: Image.Image) -> Decoded:
    """Hashes a picture that was decoded in full, and keeps what is to be measured."""
    digest = hashlib.sha256(f"{picture.width}x{picture.height}:".encode())
    digest.update(picture.tobytes())
    return Decoded(digest.hexdigest()[:32], picture.width, picture.height, draft(picture))


def make_rows(names: Sequence[str], pictures: Sequence[Decoded]) -> pa.RecordBatch:
    """Measures pictures, and makes the rows of their images.

    Args:
        names: N ids of images.
        pictures: What `scanned` made of each.
    """
    hashes, widths, heights = ([getattr(one, name) for one in pictures] for name in ("pixel_hash", "width", "height"))
    quality = pa.FixedSizeListArray.from_arrays(_flat(measure([one.draft for one in pictures])), len(MEASURES))
    arrays = [pa.array(names, pa.string()), pa.array(hashes, pa.string()), pa.array(widths, pa.int32()), pa.array(heights, pa.int32())]
    return pa.record_batch([*arrays, quality], schema=SCHEMA)


def scan_images(images: Images, names: Iterable[str]) -> Iterator[tuple[pa.RecordBatch, dict[str, Unusable]]]:
    """Scans images on every core, a few in memory at a time.

    Args:
        images: The packed images.
        names: Their `image_id`s, each once.

    Yields:
        Rows of images, in the order of `names`, and why others of them have none.
    """
    known = list(names)
    blocks = (known[start : start + TOGETHER] for start in range(0, len(known), TOGETHER))
    yield from ordered(lambda block: _scan_together(images, block), blocks, ahead=2)


def to_bytes(batches: Iterable[pa.RecordBatch]) -> bytes:
    """The file of some rows; equal rows make equal bytes."""
    sink = pa.BufferOutputStream()
    table = pa.Table.from_batches(batches, SCHEMA).combine_chunks()
    with pa.ipc.new_file(sink, SCHEMA.with_metadata({_KEY: json.dumps(_FORMAT.stamp({}), sort_keys=True)})) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue().to_pybytes())


def read(folder: Path) -> Scans:
    """The scans beside some embeddings; none where an earlier version of Darkroom made these.

    Raises:
        InputError: A later version of Darkroom wrote the file.
        ValueError: The file is no table of scans.
    """
    path = folder / FILE
    if not path.is_file():
        return Scans()
    table = pa.ipc.open_file(arrow_source(path)).read_all()
    _FORMAT.upgrade(json.loads((table.schema.metadata or {}).get(_KEY, b"null")), path)
    return Scans(table.select(SCHEMA.names).replace_schema_metadata(None).to_batches())


def _scan_together(images: Images, names: Sequence[str]) -> tuple[pa.RecordBatch, dict[str, Unusable]]:
    pictures, unusable = dict[str, Decoded](), dict[str, Unusable]()
    for name in names:
        data = images[name]
        try:
            pictures[name] = scanned(decode(data))
        except UndecodedError as error:
            unusable[name] = Unusable("undecoded", len(data), str(error))
        except TooManyPixelsError as error:
            unusable[name] = Unusable("refused", len(data), str(error))
        except UnreadableError as error:
            unusable[name] = Unusable("unreadable", len(data), str(error) if data else "the file is empty")
    return make_rows(list(pictures), list(pictures.values())), unusable


def _flat(values: npt.NDArray[np.float32]) -> pa.Array:
    return pa.array(values.reshape(-1), pa.float32())
