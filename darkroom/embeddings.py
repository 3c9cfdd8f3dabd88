"""Embeddings: what a backbone makes of every image, computed once; a row an image, in the order of the images' ids.

A folder with one Arrow file, which is memory-mapped on reading. Its metadata say how the vectors were computed; vectors of two
origins can't be compared. Only this module writes such files, and one that has lost its metadata is an error.
"""

import hashlib
import json
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from darkroom import notes as noun
from darkroom.notes import Note
from darkroom.preprocessing.recipe import Recipe
from darkroom.system.files import whole
from darkroom.system.formats import Format, record_from
from darkroom.system.mapped import arrow_source, mapped
from darkroom.thumbnails import COLOUR_PX, GREY_PX

FILE = "embeddings.arrow"
LAYER = "features"  # of a backbone: those that `embed` computes
ENLARGED = "features of enlarged pictures"  # likewise: those of `darkroom.label_errors.enlarged`
_KEY = b"darkroom.embeddings"
_FORMAT = Format("folder of embeddings")


@dataclass(frozen=True)
class Origin:
    """How vectors were computed.

    Attributes:
        backbone: The network's name.
        weights_sha256: Of its weights.
        layer: Whose output the vectors are.
        recipe: How images were resized.
        precision: `float32` or `bf16`.
        device: Kind of device: `cpu` or `cuda`.
        num_features: Length of a vector.
    """

    backbone: str
    weights_sha256: str
    layer: str
    recipe: Recipe
    precision: str
    device: str
    num_features: int

    @property
    def key(self) -> str:
        """20 hexadecimal digits that are equal for equal origins only."""
        return hashlib.sha256(json.dumps([_FORMAT.number, self.plain()], sort_keys=True).encode()).hexdigest()[:20]

    def plain(self) -> dict[str, Any]:
        """The values as JSON has them."""
        return {**asdict(self), "recipe": self.recipe.plain()}


class Embeddings:
    """Reads embeddings; nothing is copied into memory before it is asked for.

    Args:
        folder: What `write` made.

    Raises:
        InputError: A later version of Darkroom wrote the folder.
        ValueError: The file has lost its metadata, or is not what this module writes.
    """

    def __init__(self, folder: Path) -> None:
        path = folder / FILE
        table = pa.ipc.open_file(arrow_source(path)).read_all()
        self.origin, self.notes = _meaning(table.schema, path)
        if not table.schema.remove_metadata().equals(schema(self.origin.num_features)):
            raise ValueError(f"{path} has other columns than embeddings: only darkroom.embeddings may write them")
        self._table = table

    def __len__(self) -> int:
        return int(self._table.num_rows)

    def __contains__(self, name: object) -> bool:
        return name in self._rows

    @cached_property
    def names(self) -> list[str]:
        """The images' ids, in ascending order."""
        found: list[str] = self._table["image_id"].to_pylist()
        return found

    @cached_property
    def vectors(self) -> npt.NDArray[np.float16]:
        """`(N, D) float16`, each of unit length (zero where a network gives zeros)."""
        return self._matrix("vector", np.float16)

    @cached_property
    def norms(self) -> npt.NDArray[np.float32]:
        """`(N,) float32`: lengths of the vectors before they were scaled to one."""
        return np.asarray(self._table["norm"].to_numpy(), np.float32)

    @cached_property
    def grey(self) -> npt.NDArray[np.uint8]:
        """`(N, 32, 32) uint8`: the whole pictures, squeezed to squares."""
        return self._matrix("grey", np.uint8).reshape(-1, GREY_PX, GREY_PX)

    @cached_property
    def colours(self) -> npt.NDArray[np.uint8]:
        """`(N, 8, 8, 3) uint8`: the same in RGB."""
        return self._matrix("colours", np.uint8).reshape(-1, COLOUR_PX, COLOUR_PX, 3)

    @cached_property
    def signatures(self) -> npt.NDArray[np.uint64]:
        """`(N,) uint64`: see `darkroom.thumbnails.signature`."""
        return np.asarray(self._table["signature"].to_numpy(), np.uint64)

    def rows(self, names: Iterable[str]) -> npt.NDArray[np.int64]:
        """The rows of some images.

        Raises:
            KeyError: An image has none, because it can't be decoded.
        """
        return np.array([self._rows[name] for name in names], np.int64)

    def of(self, names: Iterable[str]) -> npt.NDArray[np.float32]:
        """The vectors of some images, `(len(names), D) float32`.

        Raises:
            KeyError: An image has none, because it can't be decoded.
        """
        return self.vectors[self.rows(names)].astype(np.float32)

    @cached_property
    def _rows(self) -> dict[str, int]:
        return {name: row for row, name in enumerate(self.names)}

    def _matrix(self, column: str, kind: Any) -> npt.NDArray[Any]:
        """A column of lists as a matrix; without a copy where the file holds it in one piece."""
        width = self._table.schema.field(column).type.list_size
        parts = [chunk.flatten().to_numpy(zero_copy_only=True) for chunk in self._table[column].chunks]
        values = parts[0] if len(parts) == 1 else np.concatenate([np.empty(0, kind), *parts])
        return values.reshape(-1, width)


def schema(num_features: int) -> pa.Schema:
    """The columns, without metadata."""
    return pa.schema(
        [
            ("image_id", pa.string()),
            ("vector", pa.list_(pa.float16(), num_features)),
            ("norm", pa.float32()),
            ("grey", pa.list_(pa.uint8(), GREY_PX**2)),
            ("colours", pa.list_(pa.uint8(), 3 * COLOUR_PX**2)),
            ("signature", pa.uint64()),
        ]
    )


def make_batch(
    names: Sequence[str],
    vectors: npt.NDArray[np.floating[Any]],
    norms: npt.NDArray[np.floating[Any]],
    grey: npt.NDArray[np.uint8],
    colours: npt.NDArray[np.uint8],
    signatures: Sequence[int],
) -> pa.RecordBatch:
    """Makes rows.

    Args:
        names: N ids of images.
        vectors: `(N, D)`, of unit length; stored as float16.
        norms: `(N,)`: their lengths before.
        grey: `(N, 32, 32) uint8`.
        colours: `(N, 8, 8, 3) uint8`.
        signatures: N whole numbers below 2^64.
    """
    lists = [
        pa.FixedSizeListArray.from_arrays(pa.array(part.reshape(-1)), part[0].size) for part in (vectors.astype(np.float16), grey, colours)
    ]
    arrays = [pa.array(names, pa.string()), lists[0], pa.array(norms, pa.float32()), *lists[1:], pa.array(signatures, pa.uint64())]
    return pa.record_batch(arrays, schema=schema(vectors.shape[1]))


def write(
    folder: Path, origin: Origin, rows: Iterable[pa.RecordBatch], notes: Iterable[Note] = (), files: Mapping[str, bytes] | None = None
) -> int:
    """Writes embeddings, whole or not at all; equal rows make equal bytes.

    Args:
        folder: Where they are written.
        origin: How the vectors were computed.
        rows: What `make_batch` made, in the order of the images' ids.
        notes: What the step has to say.
        files: Contents of further files in the folder, by name.

    Returns:
        How many rows there are.

    Raises:
        ValueError: An id stands twice, or not in order.
    """
    columns = schema(origin.num_features)
    values = _FORMAT.stamp({**origin.plain(), noun.KEY: noun.plain(notes)})
    with whole(folder) as draft:
        draft.mkdir()
        for name, data in (files or {}).items():
            (draft / name).write_bytes(data)
        metadata = {_KEY: json.dumps(values, sort_keys=True)}
        with tempfile.TemporaryDirectory(dir=draft) as place, pa.ipc.new_file(str(draft / FILE), columns.with_metadata(metadata)) as writer:
            joined = _joined(_in_order(rows), columns, Path(place))
            for batch in joined:
                writer.write_batch(batch)
    return sum(batch.num_rows for batch in joined)


def _in_order(rows: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    last = ""
    for batch in rows:
        for name in batch.column("image_id").to_pylist():
            if name <= last:
                raise ValueError(f"the image {name} comes after {last}: rows must be in the order of the images' ids")
            last = name
        yield batch


def _joined(rows: Iterable[pa.RecordBatch], columns: pa.Schema, place: Path) -> list[pa.RecordBatch]:
    """All rows in one batch, so that a reader has each column in one piece; no batch where there are none.

    Args:
        rows: Any number of batches.
        columns: Theirs.
        place: A folder for the lists, which are mapped from there: a million take 4 GB.
    """
    lists = [field.name for field in columns if pa.types.is_fixed_size_list(field.type)]
    others = pa.schema([field for field in columns if field.name not in lists])
    parts = list[pa.RecordBatch]()
    for batch in rows:
        parts.append(batch.select(others.names))
        for name in lists:
            with (place / name).open("ab") as file:
                batch.column(name).flatten().to_numpy(zero_copy_only=True).tofile(file)
    table = pa.Table.from_batches(parts, others).combine_chunks()

    def column(field: pa.Field) -> pa.Array:
        if field.name not in lists:
            return table[field.name].chunk(0)
        with (place / field.name).open("rb") as file:
            values = np.frombuffer(mapped(file.fileno()), field.type.value_type.to_pandas_dtype())
        return pa.FixedSizeListArray.from_arrays(pa.array(values), field.type.list_size)

    return [pa.record_batch([column(field) for field in columns], schema=columns)] if len(table) else []


def read_notes(folder: Path) -> tuple[Note, ...]:
    """The notes in a folder of embeddings, without its rows; none where it is no such folder."""
    try:
        return _meaning(pa.ipc.open_file(arrow_source(folder / FILE)).schema, folder / FILE)[1]
    except (pa.ArrowException, OSError, ValueError):
        return ()


def _meaning(columns: pa.Schema, path: Path) -> tuple[Origin, tuple[Note, ...]]:
    """Origin and notes, from a file's metadata."""
    metadata = columns.metadata or {}
    if _KEY not in metadata:
        raise ValueError(f"{path} has lost its backbone, recipe and precision: only darkroom.embeddings may write embeddings")
    values = _FORMAT.upgrade(json.loads(metadata[_KEY]), path)
    return record_from(Origin, {**values, "recipe": Recipe.of(values["recipe"])}), noun.from_plain(values.get(noun.KEY))
