"""The manifest keeps rows, class order, task and data version, whatever the labels are called."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from darkroom.manifest import Manifest, make_table, put_column, read

TABLE = make_table(
    {"path": ["b.png", "a.png"], "image_id": ["2", "1"], "label": ["cat", "dog"], "width": [3, None], "split": ["test", "train"]}
)


def manifest(**changes):
    return Manifest(**{"table": TABLE, "classes": ("dog", "cat"), "task": "binary", "data_version": "abc.dir", **changes})


def test_a_manifest_comes_back_as_it_was(tmp_path):
    manifest().write(tmp_path / "m.parquet")
    assert read(tmp_path / "m.parquet") == manifest()


@settings(deadline=None)
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=8), min_size=1, max_size=6, unique=True))
def test_any_name_is_a_class(tmp_path_factory, classes):
    path = tmp_path_factory.mktemp("m") / "m.parquet"
    table = make_table({"path": [str(number) for number in range(len(classes))], "label": classes})
    Manifest(table, tuple(classes), "multiclass", "").write(path)
    assert read(path).column("label") == classes
    assert read(path).classes == tuple(classes)


@pytest.mark.parametrize("label", ["N/A", "null", "nan", "NA", "None", "007", ""])
def test_a_label_is_never_a_missing_value(tmp_path, label):
    table = make_table({"path": ["x"], "label": [label]})
    written = Manifest(table, (label, "other"), "binary", "")
    written.with_frame(written.frame()).write(tmp_path / "m.parquet")
    assert read(tmp_path / "m.parquet").column("label") == [label]


def test_targets_follow_the_class_order():
    assert manifest().targets().tolist() == [1, 0]


def test_targets_of_several_labels_are_rows_of_zeros_and_ones():
    table = make_table({"path": ["a", "b", "c"], "labels": [["x", "z"], [], ["y"]]})
    targets = Manifest(table, ("z", "y", "x"), "multilabel", "").targets()
    assert targets.tolist() == [[1, 0, 1], [0, 0, 0], [0, 1, 0]]
    assert targets.dtype == np.int64


def test_pandas_and_back_changes_nothing():
    assert manifest().with_frame(manifest().frame()) == manifest()


def test_lists_survive_pandas():
    table = make_table({"path": ["a", "b"], "labels": [["x", "z"], []]})
    several = Manifest(table, ("x", "z"), "multilabel", "")
    assert several.with_frame(several.frame()) == several


def test_columns_of_the_user_keep_their_types(tmp_path):
    columns = {"age": pa.array([3, None], pa.uint8()), "seen": pa.array([1, None], pa.date32()), "site": pa.array(["x", "y"])}
    table = pa.table({**dict(zip(TABLE.column_names, TABLE.columns, strict=True)), **columns})
    written = manifest(table=table)
    written.with_frame(written.frame()).write(tmp_path / "m.parquet")
    assert read(tmp_path / "m.parquet") == written
    assert read(tmp_path / "m.parquet").user_columns.column_names == ["age", "seen", "site"]


def test_a_known_column_of_another_type_is_refused(tmp_path):
    manifest(table=put_column(TABLE, "width", [1, 2]).set_column(0, "path", pa.array([1, 2]))).write(tmp_path / "m.parquet")
    with pytest.raises(ValueError, match="a column 'path' of type int64"):
        read(tmp_path / "m.parquet")


def test_a_split_is_picked():
    assert manifest().where("train").column("path") == ["a.png"]


def test_equal_manifests_make_equal_bytes(tmp_path):
    for name in ("a", "b"):
        manifest().write(tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_table_that_lost_its_meaning_is_refused(tmp_path):
    pq.write_table(TABLE, tmp_path / "m.parquet")
    with pytest.raises(ValueError, match="lost its class order"):
        read(tmp_path / "m.parquet")


def test_an_unknown_column_is_refused():
    with pytest.raises(ValueError, match="no column of a manifest: colour"):
        make_table({"path": ["a"], "colour": ["red"]})
