"""Vectors and scans that are kept from run to run, so that a grown data set costs only what is new.

A folder an origin of vectors (`darkroom.embeddings.Origin.key`), and one of scans, in it shards in Arrow's format, each named by the
hash of its bytes. Shards are only ever added, whole, so any number of processes may write at once; what two of them compute at once is
kept twice. A shard that is not what its name says is damaged: it is removed, and its images are computed again. `darkroom gc` removes
those that no run needs.
"""

import contextlib
import hashlib
import uuid
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from darkroom.embeddings import Origin, schema
from darkroom.preprocessing.recipe import Recipe
from darkroom.scans import KEPT_AS, SCHEMA
from darkroom.system.errors import InputError
from darkroom.system.files import read_json, remove, write_json
from darkroom.system.formats import record_from
from darkroom.system.mapped import arrow_source
from darkroom.tracking.tags import VECTORS

SHARD_ROWS = 2048  # that a killed process loses at most
BATCH_ROWS = 8_192  # that are handed out at once, 32 MB of most vectors
ORIGIN = "origin.json"  # what the folder's vectors are, for people


class RowStore:
    """The kept rows of one kind, as far as they are of certain images.

    Args:
        folder: Theirs.
        columns: Of the rows; `image_id` is one of them.
        names: The images that matter.

    Attributes:
        num_damaged: Shards that were damaged, and are removed.

    Raises:
        InputError: The folder can't be written.
    """

    def __init__(self, folder: Path, columns: pa.Schema, names: Iterable[str]) -> None:
        self._folder, self._columns = folder, columns
        self._shards: list[pa.RecordBatch] = []
        self._places: dict[str, tuple[int, int]] = {}  # shard and row of an image
        self._pending: list[pa.RecordBatch] = []
        self.num_damaged = 0
        with writable(folder):
            folder.mkdir(parents=True, exist_ok=True)
        wanted = frozenset(names)
        for path in sorted(self._folder.glob("*.arrow")):
            self._take(path, wanted)

    def __contains__(self, name: object) -> bool:
        return name in self._places

    def add(self, rows: pa.RecordBatch) -> None:
        """Keeps rows; they are written when there are enough of them, at the latest by `flush`."""
        self._pending.append(rows)
        if sum(batch.num_rows for batch in self._pending) >= SHARD_ROWS:
            self.flush()

    def flush(self) -> None:
        """Writes the rows that wait as a shard."""
        rows, self._pending = [batch for batch in self._pending if batch.num_rows], []
        if rows:
            self._index(read_shard(write_shard(self._folder, pa.concat_batches(rows)), self._columns))

    def rows(self, names: Iterable[str]) -> Iterator[pa.RecordBatch]:
        """The rows of some images, in their order; images that have none are left out."""
        known = [name for name in names if name in self._places]
        for start in range(0, len(known), BATCH_ROWS):
            yield self._gather(known[start : start + BATCH_ROWS])

    def _gather(self, names: Sequence[str]) -> pa.RecordBatch:
        places = np.array([self._places[name] for name in names])
        used, shard = np.unique(places[:, 0], return_inverse=True)
        parts = [self._shards[number].take(pa.array(places[shard == place, 1])) for place, number in enumerate(used)]
        behind = np.empty(len(names), np.int64)
        behind[np.argsort(shard, kind="stable")] = np.arange(len(names))  # where each row is when the shards' rows stand in line
        return pa.concat_batches(parts).take(pa.array(behind))

    def _take(self, path: Path, wanted: frozenset[str]) -> None:
        """Indexes a shard if it holds one of the images and is whole."""
        try:
            rows = read_shard(path, self._columns)
            if wanted.isdisjoint(shard_names(path)):
                return
            is_whole = _hash_of(path.read_bytes()) == path.stem
        except FileNotFoundError:  # another process has removed it
            return
        except (pa.ArrowException, OSError, ValueError) as error:
            if getattr(error, "errno", None):  # it can't be read here and now, which says nothing of what is in it
                raise
            is_whole = False
        if is_whole:
            self._index(rows, wanted)
        else:
            self.num_damaged += 1
            remove(path)

    def _index(self, rows: pa.RecordBatch, wanted: frozenset[str] | None = None) -> None:
        for row, name in enumerate(rows.column("image_id").to_pylist()):
            if wanted is None or name in wanted:
                self._places.setdefault(name, (len(self._shards), row))
        self._shards.append(rows)


class VectorStore(RowStore):
    """The kept vectors of one origin.

    Args:
        root: The folder of all origins.
        origin: How the vectors are computed.
        names: The images that matter.

    Raises:
        InputError: The folder can't be written.
    """

    def __init__(self, root: Path, origin: Origin, names: Iterable[str]) -> None:
        super().__init__(root / origin.key, schema(origin.num_features), names)
        with writable(self._folder):
            if not (self._folder / ORIGIN).exists():
                write_json(self._folder / ORIGIN, origin.plain())


class ScanStore(RowStore):
    """The kept scans, whatever the backbone is.

    Args:
        root: The folder of all origins.
        names: The images that matter.

    Raises:
        InputError: The folder can't be written.
    """

    def __init__(self, root: Path, names: Iterable[str]) -> None:
        super().__init__(root / KEPT_AS, SCHEMA, names)


def damage_told(*stores: RowStore) -> list[str]:
    """A sentence about the damaged shards that stores removed; nothing where there was none."""
    number = sum(store.num_damaged for store in stores)
    return [f"{number} damaged shards of kept vectors and scans were removed, and their images computed again"] if number else []


def shard_names(path: Path) -> list[str]:
    """The images in a shard.

    Raises:
        pyarrow.ArrowException: It is damaged.
    """
    names: list[str] = pa.ipc.open_file(arrow_source(path)).get_batch(0).column("image_id").to_pylist()
    return names


def kept_origins(root: Path) -> list[Origin]:
    """The origins of which a folder of all origins keeps vectors, as far as their descriptions can be read."""
    found = []
    for path in sorted(root.glob(f"*/{ORIGIN}")):
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            values = read_json(path)
            origin = record_from(Origin, {**values, "recipe": Recipe.of(values["recipe"])})
            if origin.key == path.parent.name:  # not one of an earlier format
                found.append(origin)
    return found


def forget_images(root: Path, names: Iterable[str]) -> int:
    """Removes images from all shards; a shard is written anew without them, under the name of its new content.

    Args:
        root: The folder of all origins.
        names: Ids of the images.

    Returns:
        How many rows are gone.
    """
    wanted, number = frozenset(names), 0
    unwanted = pa.array(sorted(wanted), pa.string())
    for path in sorted(root.glob("*/*.arrow")):
        try:
            if wanted.isdisjoint(shard_names(path)):
                continue
            if _hash_of(path.read_bytes()) != path.stem:
                raise OSError(f"{path} is damaged")
            rows = pa.ipc.open_file(arrow_source(path)).get_batch(0)
        except (pa.ArrowException, OSError):
            remove(path)  # damaged, as a reader would find it
            continue
        rest = rows.filter(pc.invert(pc.is_in(rows.column("image_id"), unwanted)))
        number += rows.num_rows - rest.num_rows
        if rest.num_rows:
            write_shard(path.parent, pa.concat_batches([rest]))
        remove(path)
    return number


@contextlib.contextmanager
def writable(folder: Path) -> Iterator[None]:
    """Says in one sentence that a store can't be written."""
    try:
        yield
    except OSError as error:
        problem = f"the store of vectors at {folder.parent} can't be written ({error.strerror})"
        raise InputError(f"{problem}: correct its access rights; a step by hand may name another folder in {VECTORS}") from None


def read_shard(path: Path, columns: pa.Schema) -> pa.RecordBatch:
    """A shard's rows, memory-mapped.

    Raises:
        ValueError: It has other columns.
        pyarrow.ArrowException: It is damaged.
    """
    reader = pa.ipc.open_file(arrow_source(path))
    if not reader.schema.equals(columns):
        raise ValueError(f"{path} has other columns")
    rows = reader.get_batch(0)
    rows.validate(full=True)
    return rows


def write_shard(folder: Path, rows: pa.RecordBatch) -> Path:
    """Writes rows as a shard that is named by the hash of its bytes."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, rows.schema) as writer:
        writer.write_batch(rows)
    data = sink.getvalue().to_pybytes()
    path = folder / f"{_hash_of(data)}.arrow"
    draft = folder / f".{uuid.uuid4().hex}.part"  # two machines may have processes of equal numbers
    try:
        draft.write_bytes(data)
        draft.replace(path)
    finally:
        remove(draft)
    return path


def _hash_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:32]
