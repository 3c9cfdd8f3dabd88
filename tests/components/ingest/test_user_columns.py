"""The user's own columns of a table reach the manifest under their own names and in their own types."""

import datetime
import io

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from components.ingest import user_columns
from components.ingest.config import IngestConfig
from components.ingest.ingest import ingest
from darkroom import manifest as manifests


@pytest.fixture
def data(tmp_path):
    (tmp_path / "data").mkdir()
    for number, name in enumerate("abc"):
        file = io.BytesIO()
        Image.new("L", (4, 4), number).save(file, "PNG")
        (tmp_path / "data" / f"{name}.png").write_bytes(file.getvalue())
    return tmp_path / "data"


def lay(data, header, *rows):
    """Writes a table with the columns filename and label, and others."""
    lines = [f"filename,label,{header}", *(f"{name}.png,{label},{row}" for name, label, row in zip("abc", "xyx", rows, strict=True))]
    (data / "labels.csv").write_text("\n".join(lines))


def read(data, **settings):
    out = data.parent / "out"
    ingest(data, out / "images", out / "manifest", config=IngestConfig(**settings))
    return manifests.read(out / "manifest").user_columns


@pytest.mark.parametrize(
    ("cells", "kind", "values"),
    [
        (["1", "-20", "0"], pa.int64(), [1, -20, 0]),
        (["1", "", "3"], pa.int64(), [1, None, 3]),
        (["1", "NA", "nan"], pa.int64(), [1, None, None]),
        (["1", "2.5", "-1e3"], pa.float64(), [1.0, 2.5, -1000.0]),
        ([".5", "5.", ""], pa.float64(), [0.5, 5.0, None]),
        (["007", "12", "0"], pa.string(), ["007", "12", "0"]),
        (["00.5", "1", "2"], pa.string(), ["00.5", "1", "2"]),
        (["9223372036854775808", "1", ""], pa.string(), ["9223372036854775808", "1", None]),
        (["12345678901234567.5", "1", "2"], pa.string(), ["12345678901234567.5", "1", "2"]),
        (["0x1F", "1", "2"], pa.string(), ["0x1F", "1", "2"]),
        (["true", "False", ""], pa.bool_(), [True, False, None]),
        (["0", "1", "1"], pa.int64(), [0, 1, 1]),
        (["2024-02-29", "", "1999-12-31"], pa.date32(), [datetime.date(2024, 2, 29), None, datetime.date(1999, 12, 31)]),
        (["2023-02-29", "2024-01-01", ""], pa.string(), ["2023-02-29", "2024-01-01", None]),
        (["01/02/2024", "03/04/2024", ""], pa.string(), ["01/02/2024", "03/04/2024", None]),
        (["2024-01-01 10:30", "2024-01-01T10:30:01.5", ""], pa.timestamp("us"), [
            datetime.datetime(2024, 1, 1, 10, 30), datetime.datetime(2024, 1, 1, 10, 30, 1, 500_000), None]),
        (["2024-01-01T10:30:00Z", "2024-01-01T10:30:00+02:00", ""], pa.timestamp("us", "UTC"), [
            datetime.datetime(2024, 1, 1, 10, 30, tzinfo=datetime.UTC), datetime.datetime(2024, 1, 1, 8, 30, tzinfo=datetime.UTC), None]),
        (["A", "NA", ""], pa.string(), ["A", "NA", None]),
        (["", "", ""], pa.string(), [None, None, None]),
    ],
    ids=lambda value: "|".join(map(str, value)) if isinstance(value, list) else str(value),
)  # fmt: skip
def test_a_csv_column_has_the_type_that_all_its_cells_are_written_in(data, cells, kind, values):
    lay(data, "site", *cells)
    column = read(data)["site"]
    assert (column.type, column.to_pylist()) == (kind, values)


def test_a_parquet_column_keeps_its_own_type(data):
    columns = {
        "age": pa.array([1, None, 3], pa.uint8()),
        "price": pa.array(["1.50", "2.25", None], pa.string()).cast(pa.decimal128(6, 2)),
        "code": pa.array(["007", "1", ""]),
        "device": pa.array(["x", "y", "x"]).dictionary_encode(),
        "seen": pa.array([1, 2, 3], pa.timestamp("ms", "Europe/Berlin")),
        "score": pa.array([0.5, None, 1.5], pa.float32()),
    }
    table = pa.table({"filename": ["a.png", "b.png", "c.png"], "label": ["x", "y", "x"], **columns})
    pq.write_table(table, data / "labels.parquet")
    found = read(data)
    assert {name: found[name].to_pylist() for name in found.column_names} == {name: array.to_pylist() for name, array in columns.items()}
    assert [str(field.type) for field in found.schema] == [
        "uint8", "decimal128(6, 2)", "string", "string", "timestamp[ms, tz=Europe/Berlin]", "float",
    ]  # fmt: skip


def test_rows_follow_their_files(data):
    (data / "labels.csv").write_text("filename,label,age\nc.png,x,3\na.png,x,1\nb.png,y,2\n")
    assert read(data)["age"].to_pylist() == [1, 2, 3]


def test_rows_without_a_file_or_a_label_are_left_out_with_their_values(data):
    (data / "labels.csv").write_text("filename,label,age\ngone.png,x,9\na.png,x,1\nb.png,y,2\nc.png,,3\n")
    assert read(data, missing_files="drop")["age"].to_pylist() == [1, 2]


def test_columns_that_mean_something_are_no_columns_of_the_user(data):
    lay(data, "x,y,patient,split,age", "1,0,p,train,30", "0,1,q,test,40", "1,0,p,train,50")
    assert read(data).column_names == ["age"]


def test_a_column_of_numbers_beside_the_names_of_the_classes_is_no_column_of_the_user(data):
    (data / "labels.csv").write_text("filename,label,class_name,age\na.png,0,x,1\nb.png,1,y,2\nc.png,0,x,3\n")
    assert read(data).column_names == ["age"]


def test_a_column_whose_name_is_taken_gets_another_and_is_told(data, capsys):
    lay(data, "width,user_width,truth,probability:x,Path", "1,2,3,4,5", "1,2,3,4,5", "1,2,3,4,5")
    found = read(data)
    assert {name: found[name][0].as_py() for name in found.column_names} == {
        "user_user_width": 1, "user_width": 2, "user_truth": 3, "user_probability:x": 4, "Path": 5,
    }  # fmt: skip
    assert "'width' as 'user_user_width', 'truth' as 'user_truth'" in capsys.readouterr().out


def test_columns_of_other_kinds_are_left_out_and_told(data, capsys):
    columns = {"box": [[1, 2], None, [3]], "thumbnail": [b"1", b"2", b"3"], "size": [{"w": 1}] * 3, "age": [1, 2, 3]}
    pq.write_table(pa.table({"filename": ["a.png", "b.png", "c.png"], "label": ["x", "y", "x"], **columns}), data / "labels.parquet")
    assert read(data).column_names == ["age"]
    out = capsys.readouterr().out
    assert "3 column(s) of labels.parquet are left out: 'box' (list<" in out
    assert "'thumbnail' (binary), 'size' (struct<w: int64>)" in out


def test_a_small_file_of_one_long_text_is_not_multiplied(data, capsys, monkeypatch):
    monkeypatch.setattr(user_columns, "MAX_TEXT_BYTES", 2_999)
    table = pa.table({"filename": ["a.png", "b.png", "c.png"], "label": ["x", "y", "x"], "note": ["n" * 1_000] * 3})
    pq.write_table(table, data / "labels.parquet")
    assert read(data).column_names == []
    assert "1 column(s) of labels.parquet are left out: 'note' (string)" in capsys.readouterr().out


def test_a_file_in_several_rows_has_the_values_of_the_first_and_that_is_told(data, capsys):
    (data / "labels.csv").write_text("filename,label,xmin,site\na.png,x,1,s\nb.png,y,2,s\na.png,x,3,s\nc.png,x,,\nc.png,x,,\n")
    found = read(data)
    assert (found["xmin"].to_pylist(), found["site"].to_pylist()) == ([1, 2, None], ["s", "s", None])
    assert "in several rows have different values there, the first is kept: 'xmin'\n" in capsys.readouterr().out


def test_class_folders_have_no_columns_of_the_user(data):
    for name, label in zip("abc", "xyx", strict=True):
        (data / label).mkdir(exist_ok=True)
        (data / f"{name}.png").rename(data / label / f"{name}.png")
    assert read(data).column_names == []


def test_the_same_table_makes_the_same_bytes(data):
    lay(data, "age,site", "1,s", "2,t", ",")
    read(data)
    first = (data.parent / "out" / "manifest").read_bytes()
    read(data)
    assert (data.parent / "out" / "manifest").read_bytes() == first
