"""The images: every delivered file's bytes, packed into Arrow shards that are memory-mapped on reading.

A folder of `images-00000.arrow` ... with two columns: `image_id` (sha256 of the bytes, hexadecimal) and `bytes` (the
file as it was delivered). A file that comes twice is stored once.
"""

import hashlib
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType

import numpy as np
import pyarrow as pa

from darkroom import volume
from darkroom.system.mapped import arrow_source

SCHEMA = pa.schema([("image_id", pa.string()), ("bytes", pa.large_binary())])
SHARD_BYTES = 512 * 2**20
BATCH_BYTES = 8 * 2**20


def image_id(data: bytes) -> str:
    """The name of an image: the sha256 of its file's bytes, in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def packed_nothing(folder: Path) -> bool:
    """Whether an `ImageWriter` found no image to pack into a folder; not where shards are missing or damaged."""
    shards = list(volume.resolve_folder(folder).glob("images-*.arrow"))
    try:
        return bool(shards) and not any(pa.ipc.open_file(arrow_source(path)).num_record_batches for path in shards)
    except (pa.ArrowInvalid, OSError):
        return False


class ImageWriter:
    """Packs images into shards; equal bytes are stored once.

    Args:
        folder: Where they are packed.
        shard_bytes: The size of a shard at most.
        on_volume: Whether they stand on the volume instead, if steps share one, and a pointer to them in the folder.
    """

    def __init__(self, folder: Path, shard_bytes: int = SHARD_BYTES, *, on_volume: bool = True) -> None:
        self._artifact, self._folder, self._shard_bytes = folder, volume.draft_folder(folder) if on_volume else folder, shard_bytes
        self._folder.mkdir(parents=True, exist_ok=True)
        self._content = hashlib.sha256(str(shard_bytes).encode())
        self._seen: set[str] = set()
        self._pending: list[tuple[str, bytes]] = []
        self._pending_bytes = self._written_bytes = self._num_shards = 0
        self._writer: pa.RecordBatchFileWriter | None = None

    def __enter__(self) -> "ImageWriter":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._flush()
        if self._num_shards == 0:
            self._open()
        self._close()
        if kind is None:
            volume.publish(self._folder, self._artifact, self._content.hexdigest())
        else:
            volume.discard(self._folder, self._artifact)

    def add(self, data: bytes, name: str = "") -> str:
        """Stores a file's bytes and returns their `image_id`, which may be given where it is known."""
        name = name or image_id(data)
        if name not in self._seen:
            self._seen.add(name)
            self._content.update(name.encode())
            if self._written_bytes + self._pending_bytes + len(data) > self._shard_bytes:
                self._flush()
                self._close()
            self._pending.append((name, data))
            self._pending_bytes += len(data)
            if self._pending_bytes >= BATCH_BYTES:
                self._flush()
        return name

    def _open(self) -> pa.RecordBatchFileWriter:
        if self._writer is None:
            self._writer = pa.ipc.new_file(str(self._folder / f"images-{self._num_shards:05d}.arrow"), SCHEMA)
            self._num_shards += 1
        return self._writer

    def _flush(self) -> None:
        if self._pending:
            names, files = zip(*self._pending, strict=True)
            self._open().write_batch(pa.record_batch([pa.array(names), _joined(files)], schema=SCHEMA))
            self._written_bytes += self._pending_bytes
            self._pending, self._pending_bytes = [], 0

    def _close(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer, self._written_bytes = None, 0


def _joined(files: Sequence[bytes]) -> pa.LargeBinaryArray:
    """Files as a column; Arrow itself copies them one by one, which takes five times as long where they are small."""
    ends = np.cumsum([0, *map(len, files)], dtype=np.int64)
    return pa.LargeBinaryArray.from_buffers(pa.large_binary(), len(files), [None, pa.py_buffer(ends), pa.py_buffer(b"".join(files))])


class Images:
    """Reads packed images by `image_id`; several folders are read as one.

    Args:
        folders: Folders that an `ImageWriter` wrote.
        store: Where a training keeps their pixels from run to run, see `darkroom.pixel_store`; or none.

    Attributes:
        folders: Where they are, on the volume if steps share one.
        store: See above.
    """

    def __init__(self, *folders: Path, store: Path | None = None) -> None:
        self.folders, self.store = tuple(volume.resolve_folder(folder) for folder in folders), store
        self._batches: list[pa.RecordBatch] = []
        self._starts: list[int] = []  # the numbers of the batches' first rows
        self._rows: dict[str, int] = {}
        for path in sorted(path for folder in self.folders for path in folder.glob("images-*.arrow")):
            reader = pa.ipc.open_file(arrow_source(path))
            for index in range(reader.num_record_batches):
                batch = reader.get_batch(index)
                batch.validate(full=True)  # a damaged shard raises an error instead of reading foreign memory
                start = self._starts[-1] + self._batches[-1].num_rows if self._batches else 0
                for row, name in enumerate(batch.column("image_id").to_pylist(), start):
                    self._rows.setdefault(name, row)
                self._starts.append(start)
                self._batches.append(batch)

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __contains__(self, name: str) -> bool:
        return name in self._rows

    def size(self, name: str) -> int:
        """The bytes of an image, which are not read for it."""
        return int(self._file(name).as_buffer().size)

    def __getitem__(self, name: str) -> bytes:
        data: bytes = self._file(name).as_py()
        return data

    def _file(self, name: str) -> pa.LargeBinaryScalar:
        row = self._rows[name]
        batch = bisect_right(self._starts, row) - 1
        return self._batches[batch].column("bytes")[row - self._starts[batch]]
