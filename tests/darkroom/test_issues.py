"""The issues: a row a finding, in order."""

import pyarrow.parquet as pq

from darkroom.issues import EXPECTED, SCHEMA, Illustration, by_check, expected_labels, illustrated, read, write


def finding(path, score):
    return {"path": path, "image_id": None, "check": "small", "score": score, "action": "dropped", "detail": "has 2 x 2 pixels"}


def test_findings_come_back_in_their_order(tmp_path):
    write(tmp_path / "issues.parquet", [finding("b", 2.0), finding("a", 1.0)])
    found = read(tmp_path / "issues.parquet")
    assert found["path"].tolist() == ["b", "a"]
    assert found["score"].tolist() == [2.0, 1.0]


def test_no_finding_is_a_table_with_all_columns(tmp_path):
    write(tmp_path / "issues.parquet", [])
    found = read(tmp_path / "issues.parquet")
    assert len(found) == 0
    assert list(found.columns) == SCHEMA.names


def test_pictures_come_back_with_their_findings_by_check_the_worst_first(tmp_path):
    checks = [("b", "dark", 1.0), ("a", "mislabelled", 0.1), ("c", "dark", 2.0), ("d", "duplicate", 1.0), ("e", "dark", 3.0)]
    rows = [{**finding(path, score), "check": check} for path, check, score in checks]
    shown = {number: Illustration(b"%d" % number) for number in (0, 2, 3)} | {1: Illustration(b"1", ["x"], [], "id", b"other")}
    write(tmp_path / "issues.parquet", rows, shown)
    found = illustrated(tmp_path / "issues.parquet")
    assert [(row["path"], one.picture) for row, one in found] == [("a", b"1"), ("c", b"2"), ("b", b"0"), ("d", b"3")]
    assert found[0][1] == shown[1]
    assert found[1][1].expected_labels is None
    assert list(read(tmp_path / "issues.parquet").columns) == SCHEMA.names


def test_the_labels_that_images_should_have_are_told_of_findings_without_a_picture_too(tmp_path):
    rows = [{**finding("a", 1.0), EXPECTED: ["x"]}, {**finding("b", 1.0), EXPECTED: []}, finding("c", 1.0)]
    write(tmp_path / "issues.parquet", rows, {1: Illustration(b"1", ["x"], [])})
    assert expected_labels(tmp_path / "issues.parquet") == {"a": ["x"], "b": []}
    pq.write_table(pq.read_table(tmp_path / "issues.parquet").select(SCHEMA.names), tmp_path / "before.parquet")
    assert expected_labels(tmp_path / "before.parquet") == {}


def test_a_table_of_before_there_were_pictures_has_none(tmp_path):
    write(tmp_path / "issues.parquet", [finding("a", 1.0)], {0: Illustration(b"1")})
    table = pq.read_table(tmp_path / "issues.parquet").select(SCHEMA.names)
    pq.write_table(table, tmp_path / "before.parquet")
    assert illustrated(tmp_path / "before.parquet") == []
    assert read(tmp_path / "before.parquet")["path"].tolist() == ["a"]


def test_the_worst_finding_of_a_check_has_the_highest_score():
    assert by_check([finding("a", 0.3), finding("b", 0.5), {**finding(None, 2.0), "check": "dark"}]) == {"dark": [2], "small": [1, 0]}
