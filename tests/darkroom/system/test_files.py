"""Outputs appear whole or not at all."""

import pytest

from darkroom.system.errors import InputError
from darkroom.system.files import read_json, remove, whole, write_json


def test_a_file_appears_when_the_block_ends(tmp_path):
    with whole(tmp_path / "new" / "out.txt") as draft:
        draft.write_text("done")
        assert not (tmp_path / "new" / "out.txt").exists()
    assert (tmp_path / "new" / "out.txt").read_text() == "done"


def test_a_failure_leaves_what_was_there_and_nothing_else(tmp_path):
    (tmp_path / "out.txt").write_text("old")

    def fail():
        with whole(tmp_path / "out.txt") as draft:
            draft.write_text("half")
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        fail()
    assert [path.name for path in tmp_path.iterdir()] == ["out.txt"]
    assert (tmp_path / "out.txt").read_text() == "old"


def test_a_folder_replaces_a_folder(tmp_path):
    for content in ("old", "new"):
        with whole(tmp_path / "out") as draft:
            draft.mkdir()
            for name in ("all.txt", f"{content}.txt"):
                (draft / name).write_text(content)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["all.txt", "new.txt"]


def test_a_file_replaces_a_folder_and_a_folder_a_file(tmp_path):
    (tmp_path / "out").mkdir()
    with whole(tmp_path / "out") as draft:
        draft.write_text("file")
    assert (tmp_path / "out").read_text() == "file"
    with whole(tmp_path / "out") as draft:
        draft.mkdir()
    assert (tmp_path / "out").is_dir()


def test_removing_a_link_keeps_what_it_leads_to(tmp_path):
    (tmp_path / "kept").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "kept")
    for name in ("link", "missing"):
        remove(tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


def test_json_is_the_same_bytes_whatever_the_order(tmp_path):
    write_json(tmp_path / "a.json", {"b": 1, "a": "ü"})
    write_json(tmp_path / "b.json", {"a": "ü", "b": 1})
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    assert read_json(tmp_path / "a.json") == {"a": "ü", "b": 1}


def test_json_refuses_what_is_no_number(tmp_path):
    with pytest.raises(ValueError, match="Out of range"):
        write_json(tmp_path / "a.json", {"loss": float("nan")})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("made", ["", "images-0.arrow"], ids=["a file", "a folder"])
def test_a_folder_of_other_files_is_not_replaced(tmp_path, made):
    photos = tmp_path / "photos"
    (photos / "cat").mkdir(parents=True)
    with pytest.raises(InputError, match=r"photos .*cat"), whole(photos) as draft:
        (draft / made).parent.mkdir(exist_ok=True)
        (draft / made).write_bytes(b"x")
    assert [path.name for path in tmp_path.rglob("*")] == ["photos", "cat"]


def test_two_processes_of_equal_numbers_may_write_a_file_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr("os.getpid", lambda: 7)  # as containers that share a volume have
    with whole(tmp_path / "out.txt") as draft:
        draft.write_text("one")
        write_json(tmp_path / "out.txt", 2)
    assert [path.read_text() for path in tmp_path.iterdir()] == ["one"]
