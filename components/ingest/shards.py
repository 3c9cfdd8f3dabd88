"""Shards: files that hold many images each, and say what is in them; read as a source with a table of its own."""

import re
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path, PurePosixPath
from posixpath import commonpath
from typing import ClassVar

import pyarrow as pa
import pyarrow.parquet as pq

from components.ingest.annotations import PATH
from components.ingest.column_names import SPLITS, known
from components.ingest.listing import first_few
from components.ingest.sources import HEAD_BYTES, File, Source
from components.ingest.split_names import SPLIT_NAMES, UNCLEAR_NAMES, is_unclear, splits_among, words_of
from darkroom.data_files import is_table

TABLE = "shards.parquet"  # stands for what the shards say of their images
_NUMBER = re.compile(r"[-_.]?[0-9]+(-of-[0-9]+)?(-[0-9a-f]{16})?$")  # train-00000-of-00002, shard_000017


class Shards(ABC):
    """A source whose images lie in shards; its other files are those of the source that the shards lie in.

    Args:
        inner: The source of the shards.
        members: The paths of the images, `SHARD/NAME`, by shard; no two are equal.
        table: A row an image, in the shards' order; without the column that names the images, and that of the splits.
        max_bytes: Of a larger image only the first bytes are handed on.
        notes: Sentences that say how the table was made.
        beside: Sizes of the files beside the shards, where these are not all that the source has.
    """

    KIND: ClassVar[str]  # what the shards are, for messages

    def __init__(
        self,
        inner: Source,
        members: Mapping[str, Sequence[str]],
        table: pa.Table,
        max_bytes: int,
        notes: Sequence[str] = (),
        beside: Mapping[str, int] | None = None,
    ) -> None:
        self.name, self.num_junk, self._inner, self._max_bytes = inner.name, inner.num_junk, inner, max_bytes
        self.notes = (f"{TABLE} stands for what {len(members):,} {self.KIND} say of the images in them", *notes)
        self._shards = {path: shard for shard, paths in members.items() for path in paths}
        self._table = _with_paths(members, table)
        others = {path: size for path, size in (inner.sizes if beside is None else beside).items() if path not in members}
        if tables := [path for path in others if is_table(path)]:
            self.notes += (
                f"{len(tables)} table(s) beside them are not read ({first_few(tables)}): ingest.table names one to read instead",
            )
        sizes = others | dict.fromkeys(self._shards, 0) | {TABLE: 0}
        self.sizes = {path: sizes[path] for path in sorted(sizes)}

    @property
    def root(self) -> Path:
        """The folder, or the archive."""
        return self._inner.root

    def read(self, paths: Sequence[str]) -> Iterator[File]:
        """Reads files: those of shards in the shards' own order, each shard once."""
        wanted: dict[str, set[str]] = {}
        for path in paths:
            if path in self._shards:
                wanted.setdefault(self._shards[path], set()).add(path)
            elif path == TABLE:
                yield File(path, self.read_table(path))
        yield from self._inner.read([path for path in paths if path not in self._shards and path != TABLE])
        for shard in sorted(wanted):
            for path, data in self._read_shard(shard, wanted[shard]):
                whole = len(data) <= self._max_bytes
                self.sizes[path] = len(data)
                yield File(path, data if whole else data[:HEAD_BYTES], whole)

    def read_table(self, path: str) -> bytes:
        """Reads one file whole; the table of the images has no row of those that are not in `sizes` any more."""
        return _table_bytes(self._table, self._shards, self.sizes) if path == TABLE else self._inner.read_table(path)

    @abstractmethod
    def _read_shard(self, shard: str, wanted: AbstractSet[str]) -> Iterator[tuple[str, bytes]]:
        """The images of a shard at these paths, with their bytes."""


def split_of_shard(path: str, above: str = "") -> str | None:
    """The split that a shard's name or its folder says: `data/train-00000-of-00002.parquet`, `imagenet-val-000000.tar`, `val/0000.tar`.

    Args:
        path: The shard's path in the source.
        above: The folder that all shards lie in, which says nothing of one.

    Returns:
        The split; the path itself where a name says that its images are held out, but not for what; none where it says nothing.
    """
    *folders, name = PurePosixPath(path).relative_to(above).parts
    stem = _NUMBER.sub("", name.partition(".")[0])
    if len(named := splits_among(stem)) == 1:
        return named.pop()
    if split := next((split for folder in reversed(folders) if len(split := splits_among(folder)) == 1), set()):
        return split.pop()
    return path if any(is_unclear(part) or words_of(part) & UNCLEAR_NAMES for part in (stem, *folders)) else None


def _with_paths(members: Mapping[str, Sequence[str]], table: pa.Table) -> pa.Table:
    """The table with the column of the images' paths."""
    table = table.rename_columns([f"original_{name}" if name == PATH else name for name in table.column_names])
    return table.append_column(PATH, pa.array([path for paths in members.values() for path in paths], pa.string()))


def _table_bytes(table: pa.Table, shards: Mapping[str, str], kept: Collection[str]) -> bytes:
    """The rows of the images that are kept, and where their shards are of several splits, a column of these, as a Parquet file.

    Args:
        table: A row an image, in the order of `shards`.
        shards: The shard of each image by its path.
        kept: Paths of images that are not left out.
    """
    table = table.filter(pa.array([path in kept for path in shards], pa.bool_()))
    names = {shards[path] for path in shards if path in kept}
    above = commonpath([PurePosixPath(shard).parent for shard in names]) if names else ""
    splits = {shard: split_of_shard(shard, above) for shard in names}
    some_known = not {*SPLIT_NAMES.values()}.isdisjoint(splits.values())
    if some_known and len(set(splits.values())) > 1 and not known(table.column_names, SPLITS):
        column = [splits[shard] for path, shard in shards.items() if path in kept]
        table = table.append_column("split", pa.array(column, pa.string()))
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    return bytes(sink.getvalue().to_pybytes())
