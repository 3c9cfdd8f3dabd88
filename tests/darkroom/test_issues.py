"""The issues: a row a finding, in order."""

from darkroom.issues import SCHEMA, read, write


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
