"""Reads Parquet files that hold a table of labels, and JSON Lines, whose columns have types too."""

import io

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json
import pyarrow.parquet as pq

from darkroom.system.errors import InputError

MAX_VALUES, MAX_BYTES = 50_000_000, 2 * 2**30  # of an unpacked Parquet file: a kilobyte of one may hold billions
IMAGE_STARTS = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"RIFF", b"BM", b"II*\0", b"MM\0*")
IMAGE_COLUMNS = {"image", "img", "picture", "photo", "bytes", "image_bytes", "image_data", "jpg", "jpeg", "png"}


def read_parquet(name: str, data: bytes) -> pa.Table:
    """Reads a Parquet file whose content fits in memory; repeated texts are kept once, so that a small file stays small.

    Raises:
        InputError: It is none, or unpacks to more values or bytes than any table of labels has.
    """
    try:
        return _unpacked(name, data)
    except (pa.ArrowException, OSError, MemoryError) as error:
        raise InputError(f"{name} is no readable Parquet file: {_reason(error)}") from None


def read_json_lines(name: str, data: bytes) -> pa.Table:
    """Reads a file with a JSON object in each line.

    Raises:
        InputError: A line holds none, or a name has values of different types.
    """
    try:
        table = _json(data, None)
        dates = [pa.types.is_timestamp(field.type) for field in table.schema]  # JSON has none: a text that looks like one stays a text
        fields = [field.with_type(pa.string()) if date else field for field, date in zip(table.schema, dates, strict=True)]
        return _json(data, pa.schema(fields)) if any(dates) else table
    except (pa.ArrowException, OSError, MemoryError) as error:
        raise InputError(f"{name} is no readable JSON Lines file: {_reason(error)}") from None


def _json(data: bytes, schema: pa.Schema | None) -> pa.Table:
    whole = pyarrow.json.ReadOptions(block_size=max(len(data), 1))
    return pyarrow.json.read_json(io.BytesIO(data), whole, pyarrow.json.ParseOptions(explicit_schema=schema))


def image_columns(table: pa.Table) -> list[str]:
    """The columns that hold images, as bytes or as Hugging Face's struct of bytes and a path; those called so, if any are."""
    found = []
    for field, column in zip(table.schema, table.columns, strict=True):
        kind = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
        is_struct = pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0
        if is_struct or ((pa.types.is_binary(kind) or pa.types.is_large_binary(kind)) and _begins_as_image(field.name, column)):
            found.append(str(field.name))
    return [name for name in found if name.casefold() in IMAGE_COLUMNS] or found


def _begins_as_image(name: str, column: pa.ChunkedArray) -> bool:
    first = next((value for value in column.slice(0, 10).to_pylist() if value), b"")
    return name.casefold() in IMAGE_COLUMNS or bool(first.startswith(IMAGE_STARTS))


def with_paths(table: pa.Table) -> pa.Table:
    """A table with texts in place of Hugging Face's structs of bytes and a path, where no bytes are given."""
    for number, field in enumerate(table.schema):
        parts = {field.type.field(part).name for part in range(field.type.num_fields)} if pa.types.is_struct(field.type) else set()
        if parts == {"bytes", "path"} and pc.struct_field(table[number], "bytes").null_count == len(table):
            table = table.set_column(number, field.name, pc.struct_field(table[number], "path"))
    return table


def refuse_huge(name: str, metadata: pq.FileMetaData) -> None:
    """Refuses a Parquet file of more values than any table of labels has, by what it says of itself.

    Args:
        name: Its path in the source.
        metadata: What stands at its end.
    """
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    num_values = sum(group.column(number).num_values for group in groups for number in range(group.num_columns))
    if max(num_values, metadata.num_rows) > MAX_VALUES:
        raise InputError(f"{name} unpacks to more than a table of labels holds ({num_values:,} values): take out what is not needed")


def _unpacked(name: str, data: bytes) -> pa.Table:
    schema = pq.ParquetFile(io.BytesIO(data)).schema
    leaves = [schema.column(number) for number in range(len(schema))]
    file = pq.ParquetFile(io.BytesIO(data), read_dictionary=[leaf.path for leaf in leaves if leaf.physical_type == "BYTE_ARRAY"])
    refuse_huge(name, file.metadata)
    parts, num_bytes = [], 0
    for number in range(file.metadata.num_row_groups):
        if num_bytes + file.metadata.row_group(number).total_byte_size > MAX_BYTES:
            raise InputError(
                f"{name} unpacks to more than {MAX_BYTES:,} bytes, more than a table of labels holds: take out what is not needed"
            )
        parts.append(file.read_row_group(number))
        num_bytes += parts[-1].nbytes
    return pa.concat_tables(parts) if parts else file.schema_arrow.empty_table()


def _reason(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
