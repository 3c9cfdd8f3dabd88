"""What is read of a source, known by names alone; what may not be read is not looked at where it is no data."""

import os
from pathlib import Path

import pytest

from darkroom.data_files import absolute, list_files, needed_folders
from darkroom.system.errors import InputError

BINS = [
    *(
        "@eaDir",
        "#recycle",
        "#snapshot",
        "~snapshot",
        "@sharebin",
        "@Recycle",
        "lost+found",
        ".thumbnails",
        "$RECYCLE.BIN",
        "System Volume Information",
    ),
    *(".Trash-1000", ".Trashes", "__MACOSX", ".ipynb_checkpoints", ".AppleDouble", "__pycache__", ".@__thumb", ".git"),
]
FILES = [
    ".DS_Store",
    "Thumbs.db",
    "ehthumbs.db",
    "desktop.ini",
    "._1.png",
    "~$labels.xlsx",
    "README.md",
    "readme.txt",
    "LICENSE",
    "1.png.part",
]
DATA = [
    "license/1.png",
    "readme/1.png",
    "recycled/1.png",
    "makefile/1.png",
    "tmp/1.png",
    "1",
    "scan.txt",
    "labels.csv",
    "x.json",
    "a/README.png",
]


def lay(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    return root


@pytest.mark.parametrize("name", BINS)
def test_thumbnails_and_bins_are_no_data_also_where_they_may_not_be_read(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    lay(tmp_path, "cat/1.png", f"{name}/1.png", f"cat/{name}/2.png", f"cat/{name}/deep/3.png")
    scan = os.scandir

    def refuse(folder: str) -> object:
        if Path(folder).name == name:
            raise PermissionError(13, "Permission denied", folder)
        return scan(folder)

    monkeypatch.setattr(os, "scandir", refuse)  # the superuser may read everything
    files = list_files(tmp_path)
    assert (list(files.places), files.num_skipped) == (["cat/1.png"], 2)


@pytest.mark.parametrize("name", FILES)
def test_files_of_systems_and_about_the_data_are_skipped(tmp_path: Path, name: str) -> None:
    files = list_files(lay(tmp_path, "cat/1.png", name, f"cat/{name}"))
    assert (list(files.places), files.num_skipped) == (["cat/1.png"], 2)


def test_what_people_may_call_their_classes_and_files_is_data(tmp_path: Path) -> None:
    assert list(list_files(lay(tmp_path, *DATA)).places) == sorted(DATA)


def test_a_folder_of_data_that_may_not_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lay(tmp_path, "cat/1.png")

    def refuse(folder: str) -> object:
        raise PermissionError(13, "Permission denied", folder)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(InputError, match=str(tmp_path)):
        list_files(tmp_path)


def test_links_are_followed_but_not_in_a_circle(tmp_path: Path) -> None:
    lay(tmp_path / "store", "x.png")
    data = lay(tmp_path / "data", "cat/1.png")
    (data / "dog").symlink_to(tmp_path / "store")
    (data / "cat/up").symlink_to(data)
    (data / "cat/gone.png").symlink_to(tmp_path / "nowhere")
    files = list_files(data)
    assert files.places == {"cat/1.png": f"{data}/cat/1.png", "cat/gone.png": "", "dog/x.png": f"{data}/dog/x.png"}
    assert needed_folders(data) == {data, tmp_path / "store"}


@pytest.mark.parametrize("text", ["data", "./data/", "other/../data", "data/cat/..", "link/../data", "other/here"])
def test_the_absolute_path_has_no_dots_and_keeps_a_link_at_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.chdir(lay(tmp_path, "data/cat/1.png", "other/x"))
    (tmp_path / "link").symlink_to(tmp_path / "other")
    (tmp_path / "other/here").symlink_to(tmp_path / "data")
    assert absolute(Path(text)) == tmp_path / ("other/here" if text == "other/here" else "data")


def test_a_table_needs_the_folder_that_it_lies_in(tmp_path: Path) -> None:
    lay(tmp_path / "data", "labels.csv", "images/1.png")
    assert needed_folders(tmp_path / "data/labels.csv") == {tmp_path / "data"}
    (tmp_path / "link").symlink_to(tmp_path / "data")
    assert needed_folders(tmp_path / "link") == {tmp_path / "link", tmp_path / "data"}
