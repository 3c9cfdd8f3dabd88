"""Parquet files that hold the images themselves, as Hugging Face's data sets do: a column of bytes, or of bytes and a path."""

import json
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from itertools import islice
from pathlib import PurePosixPath
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from components.ingest.listing import first_few, is_picture_name
from components.ingest.parquet_table import image_columns, refuse_huge
from components.ingest.shards import Shards
from components.ingest.sources import FolderSource
from darkroom.system.errors import InputError

ROWS_AT_ONCE = 64  # images in memory together
_FAILURES = (pa.ArrowException, OSError)


class ParquetImages(Shards):
    """Images in Parquet files of a folder."""

    KIND = "Parquet file(s)"

    def __init__(self, folder: FolderSource, columns: dict[str, str], max_bytes: int) -> None:
        """Reads all columns but the images.

        Args:
            folder: The folder.
            columns: The column of images of each file.
            max_bytes: See `Shards`.
        """
        self._places = {shard: folder.places[shard] for shard in columns}
        self._columns = columns
        unread: list[str] = []
        tables = {shard: _read_rows(shard, self._places[shard], column, unread) for shard, column in columns.items()}
        self._members = {shard: _names(shard, names) for shard, (_, names) in tables.items()}
        try:
            table = pa.concat_tables([table for table, _ in tables.values()], promote_options="permissive")
        except pa.ArrowException:
            raise InputError(f"the Parquet files in {folder.name} have a column whose types differ: write it in one type") from None
        notes = [f"column(s) of images or bytes beside those that are learnt are not read: {first_few(unread)}"] if unread else []
        super().__init__(folder, self._members, table, max_bytes, notes)

    def _read_shard(self, shard: str, wanted: AbstractSet[str]) -> Iterator[tuple[str, bytes]]:
        column, names = self._columns[shard], iter(self._members[shard])
        try:
            with pq.ParquetFile(self._places[shard]) as file:
                for batch in file.iter_batches(ROWS_AT_ONCE, columns=[column]):
                    values = batch.column(0)
                    for data in values.field("bytes") if pa.types.is_struct(values.type) else values:
                        if (name := next(names)) in wanted:
                            yield name, data.as_py() or b""
        except _FAILURES as error:
            raise InputError(f"{shard} is no readable Parquet file: {_reason(error)}") from None


def open_parquet_images(folder: FolderSource, max_bytes: int) -> ParquetImages | None:
    """Opens a folder whose images lie in Parquet files; nothing where it holds files of images, or no such Parquet file.

    Raises:
        InputError: A Parquet file is damaged, or has several columns of images.
    """
    paths = [path for path in folder.sizes if path.lower().endswith(".parquet")]
    if not paths or any(is_picture_name(path) for path in folder.sizes):
        return None
    columns = {path: _image_column(path, folder.places[path]) for path in paths}
    with_images = {path: column for path, column in columns.items() if column}
    return ParquetImages(folder, with_images, max_bytes) if with_images else None


def _image_column(shard: str, place: str) -> str:
    """The column that holds images, by the first rows; an empty text where there is none, or the file can't be read.

    Raises:
        InputError: Several may be meant.
    """
    try:
        with pq.ParquetFile(place) as file:
            first = pa.Table.from_batches(list(islice(file.iter_batches(4), 1)), file.schema_arrow)
    except _FAILURES:
        return ""  # as a table it is told what is wrong with it
    found = image_columns(first)
    if len(found) > 1:
        raise InputError(
            f"{shard} holds images in several columns ({first_few(found)}): call the one that is to be learnt image, or write it alone"
        )
    column = "".join(found)
    if column and pa.types.is_struct(first.schema.field(column).type):
        return column if pc.struct_field(first[column], "bytes").null_count < len(first) else ""
    return column


def _read_rows(shard: str, place: str, column: str, unread: list[str]) -> tuple[pa.Table, list[str | None]]:
    """All columns of a file but its images, numbers of classes as their names; and what its images are called.

    Args:
        shard: The file's path in the source.
        place: Where it is on this disk.
        column: That of the images.
        unread: Gets the names of other columns that hold bytes, each once.
    """
    try:
        with pq.ParquetFile(place) as file:
            schema, num_rows = file.schema_arrow, file.metadata.num_rows
            kind = schema.field(column).type
            has_paths = pa.types.is_struct(kind) and kind.get_field_index("path") >= 0
            refuse_huge(shard, file.metadata)
            others = [field.name for field in schema if field.name != column]
            rest = [name for name in others if not _holds_bytes(schema.field(name).type)]
            unread += [name for name in others if name not in rest and name not in unread]
            table = file.read([*rest, *([f"{column}.path"] if has_paths else [])])
    except _FAILURES as error:
        raise InputError(f"{shard} is no readable Parquet file: {_reason(error)}") from None
    names = pc.struct_field(table[column], "path").to_pylist() if has_paths else [None] * num_rows
    table = table.select(rest) if rest else pa.table({"row": list(range(num_rows))})
    for name, classes in _class_names(schema).items():
        if name in rest:
            table = table.set_column(table.column_names.index(name), name, _named(table[name], classes))
    return table.replace_schema_metadata(None), names


def _holds_bytes(kind: pa.DataType) -> bool:
    is_struct = pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0
    return bool(is_struct or pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def _class_names(schema: pa.Schema) -> dict[str, list[str]]:
    """The names of classes by column, where Hugging Face's metadata says them."""
    try:
        features = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
    except (KeyError, ValueError, TypeError):
        return {}
    found = {name: _of_classes(feature) for name, feature in features.items()} if isinstance(features, dict) else {}
    return {name: [str(item) for item in classes] for name, classes in found.items() if classes}


def _of_classes(feature: Any) -> list[Any]:
    """The names of a class label, or of a list of them."""
    if isinstance(feature, list):
        feature = {"feature": feature[0] if feature else None}
    if not isinstance(feature, dict):
        return []
    names = feature.get("names") if feature.get("_type") == "ClassLabel" else None
    return names if isinstance(names, list) else _of_classes(feature.get("feature"))


def _named(numbers: pa.ChunkedArray, names: Sequence[str]) -> pa.Array:
    """Names in place of the numbers of classes, also in lists; none for -1, which says that nobody labelled the image."""

    def name(number: Any) -> Any:
        if isinstance(number, list):
            return [name(item) for item in number]
        return names[number] if isinstance(number, int) and 0 <= number < len(names) else None

    return pa.array([name(number) for number in numbers.to_pylist()])


def _names(shard: str, names: Sequence[str | None]) -> list[str]:
    """A path for each image of a shard: their own names where each has another one, else the numbers of their rows."""
    own = [PurePosixPath((name or "").replace("\\", "/")).name for name in names]
    if len(set(own) - {"", ".."}) < len(own):
        digits = len(str(max(len(own) - 1, 0)))
        own = [f"{row:0{digits}d}{PurePosixPath(name).suffix}" for row, name in enumerate(own)]
    return [f"{shard}/{name}" for name in own]


def _reason(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
