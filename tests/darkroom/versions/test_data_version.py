"""The version of the data is that of the files that are read, in whatever form they come; DVC's md5 of the folder is another value."""

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import time
import warnings
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from dvc.repo import Repo

from darkroom.system.errors import InputError
from darkroom.versions.data_version import check_source, data_version, difference, dvc_md5, has_version, recorded_version

FILES = {"cat/one.png": "1", "cat/zwei ä.png": "2", "dog/three.png": "3", "labels.csv": "file,label\none,x\nthree,y\n"}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A DVC repository."""
    folder = tmp_path_factory.mktemp("project")
    before = Path.cwd()
    os.chdir(folder)
    Repo.init(no_scm=True).close()
    os.chdir(before)
    return folder


def lay(folder: Path) -> Path:
    for name, text in FILES.items():
        write(folder / name, text)
    return folder


@pytest.fixture
def data(project: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Data in a DVC repository."""
    monkeypatch.chdir(project)
    yield lay(project / "data")
    for path in project.iterdir():
        if path.name not in (".dvc", ".dvcignore"):
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


@pytest.fixture
def apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Data outside of a DVC repository, which takes most of the time to open."""
    monkeypatch.chdir(tmp_path)
    return lay(tmp_path / "data")


def add(path: str) -> str:
    """Runs `dvc add`, without the seconds that a process of its own needs to import DVC; what it recorded."""
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning), Repo() as repo:
        repo.add(path)
    return str(yaml.safe_load(Path(f"{path}.dvc").read_text())["outs"][0]["md5"])


def write(path: Path, text: str = "junk") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def swap(one: Path, other: Path) -> None:
    texts = one.read_text(), other.read_text()
    one.write_text(texts[1])
    other.write_text(texts[0])


def recreate(data: Path) -> None:
    for name in reversed(FILES):
        (data / name).unlink()
        (data / name).write_text(FILES[name])


def keeping_time(path: Path, change: Callable[[], object]) -> None:
    status = path.stat()
    change()
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def folder(data: Path) -> Path:
    return data


def relative(data: Path) -> Path:
    return Path("data")


def with_dots(data: Path) -> Path:
    (data.parent / "deep").mkdir()
    return Path("deep/../data/cat/..")


def through_a_link(data: Path) -> Path:
    (data.parent / "link").symlink_to(data)
    return Path("link")


def linked_classes(data: Path) -> Path:
    linked = data.parent / "linked"
    linked.mkdir()
    for path in data.iterdir():
        (linked / path.name).symlink_to(path)
    return linked


def linked_files(data: Path) -> Path:
    linked = data.parent / "linked"
    for name in FILES:
        (linked / name).parent.mkdir(parents=True, exist_ok=True)
        (linked / name).symlink_to(data / name)
    return linked


def table(data: Path) -> Path:
    return data / "labels.csv"


FORMS = [folder, relative, with_dots, through_a_link, linked_classes, linked_files, table]
ONE = "cat/one.png"
CHANGES: dict[str, Callable[[Path], object]] = {
    "a byte": lambda data: (data / ONE).write_text("!"),
    "a byte, the time as before": lambda data: keeping_time(data / ONE, lambda: (data / ONE).write_text("!")),
    "a label": lambda data: (data / "labels.csv").write_text("file,label\none,y\nthree,y\n"),
    "a name": lambda data: (data / ONE).rename(data / "cat/uno.png"),
    "another class": lambda data: (data / ONE).rename(data / "dog/one.png"),
    "two files swapped": lambda data: swap(data / ONE, data / "dog/three.png"),
    "one more": lambda data: (data / "dog/four.heic").write_text("4"),
    "one less": lambda data: (data / ONE).unlink(),
    "a class by another name": lambda data: (data / "dog").rename(data / "wolf"),
}
NO_CHANGES: dict[str, Callable[[Path], object]] = {
    "times": lambda data: [os.utime(path, (7, 7)) for path in data.rglob("*")],
    "rights": lambda data: [path.chmod(0o600) for path in data.rglob("*.png")],
    "order": recreate,
    "caches of systems": lambda data: [write(data / name) for name in (".DS_Store", "cat/Thumbs.db", "cat/._one.png", "dog/desktop.ini")],
    "thumbnails and bins": lambda data: [
        write(data / name / "1.png")
        for name in ("@eaDir", "cat/@eaDir/one.png", "#recycle", "$RECYCLE.BIN", "lost+found", ".thumbnails", "cat/__MACOSX")
    ],
    "documents": lambda data: [write(data / name) for name in ("README.md", "cat/LICENSE", "LICENSE.txt", "cat/crop.py")],
    "an empty folder": lambda data: (data / "bird").mkdir(),
    "the rules of DVC": lambda data: write(data / ".dvcignore", "cat\n"),
    "a pipe": lambda data: os.mkfifo(data / "cat/pipe.png"),
}


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.__name__)
def test_what_is_read_is_the_version_and_nothing_else(apart: Path, form: Callable[[Path], Path]) -> None:
    source, kept = form(apart), apart.parent / "kept"
    shutil.copytree(apart, kept)
    first = data_version(source)
    for name, change in {**NO_CHANGES, **CHANGES}.items():
        change(apart)
        seen = name in CHANGES and not (form is linked_files and name == "one more")  # nothing links to that one
        assert (data_version(source) != first) == seen, name
        shutil.rmtree(apart)
        shutil.copytree(kept, apart)


def test_every_form_of_one_folder_has_its_version(apart: Path) -> None:
    forms = [form for form in FORMS if form is not linked_files]
    assert {data_version(form(apart)) for form in forms} == {data_version(apart)}


def test_a_table_is_the_source_with_its_pictures_but_no_other_table(apart: Path) -> None:
    first = data_version(apart / "labels.csv")
    write(apart / "others.csv", "file,label\none,z\n")
    assert data_version(apart / "labels.csv") == first
    assert len({data_version(apart), first, data_version(apart / "others.csv")}) == 3


@pytest.mark.parametrize("target", ["dog", "dog/three.png"])
def test_a_link_that_leads_elsewhere_is_a_change(apart: Path, target: str) -> None:
    source = linked_classes(apart) if target == "dog" else linked_files(apart)
    first = data_version(source)
    (source / target).unlink()
    (source / target).symlink_to(apart / ("cat" if target == "dog" else ONE))
    assert data_version(source) != first


def packed(path: Path, names: list[str]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, "x")
    return path


def linked_to_nothing(root: Path) -> Path:
    (root / "nowhere").mkdir()
    (root / "empty").mkdir()
    (root / "empty/cat").symlink_to(root / "nowhere")
    return root / "empty"


NOTHING: dict[str, Callable[[Path], Path]] = {
    "junk alone": lambda root: write(root / "empty/.DS_Store") or root / "empty",
    "a thumbnail alone": lambda root: write(root / "empty/cat/@eaDir/1.png") or root / "empty",
    "empty classes": lambda root: (root / "empty/cat").mkdir(parents=True) or root / "empty",
    "an empty zip": lambda root: packed(root / "empty.zip", []),
    "a zip of junk": lambda root: packed(root / "empty.zip", ["__MACOSX/._1.png", "cat/.DS_Store", "README.md"]),
    "an empty file": lambda root: write(root / "empty.tar", "") or root / "empty.tar",
    "links that lead to empty folders": linked_to_nothing,
}


@pytest.mark.parametrize("make", NOTHING.values(), ids=NOTHING)
def test_nothing_has_no_version(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    source = make(tmp_path)
    with pytest.raises(InputError, match=source.name):
        data_version(source)


@pytest.mark.parametrize("name", ["images.zip", "images.tar.gz"])
def test_an_archive_is_the_md5_of_its_bytes(apart: Path, name: str) -> None:
    path = apart.parent / name
    if name.endswith("zip"):
        packed(path, ["cat/1.png"])
    else:
        with tarfile.open(path, "w:gz") as archive:
            archive.add(apart / "cat", "cat")
    assert data_version(path) == hashlib.md5(path.read_bytes()).hexdigest() == data_version(Path("data/..") / name)


def test_where_nothing_is_skipped_the_version_is_what_dvc_add_writes(data: Path) -> None:
    recorded = add("data")
    assert data_version(Path("data")) == dvc_md5(Path("data")) == recorded == recorded_version(Path("data"))
    assert difference(Path("data"), data_version(Path("data"))) == ""


def test_the_record_is_compared_with_all_that_is_there(data: Path) -> None:
    before = data_version(Path("data"))
    write(data / "README.md")
    recorded = add("data")
    assert data_version(Path("data")) == before != recorded
    assert difference(Path("data"), data_version(Path("data"))) == ""
    assert has_version(Path("data"), recorded)  # as an earlier release named it
    write(data / "README.md", "other")
    assert difference(Path("data"), data_version(Path("data"))).startswith("data differs from data.dvc (now ")
    assert not has_version(Path("data"), recorded)


def test_a_dvcignore_in_the_data_can_be_read_but_not_compared(data: Path) -> None:
    add("data")
    write(data / "cat/.dvcignore", "one.png\n")
    assert "cat/.dvcignore" in difference(Path("data"), data_version(Path("data")))


def test_what_the_project_ignores_is_another_matter_of_dvc(data: Path) -> None:
    before = dvc_md5(Path("data"))
    (data.parent / ".dvcignore").write_text("*.bak\n")
    write(data / "cat/one.bak")
    assert dvc_md5(Path("data")) == before
    assert data_version(Path("data")) != before  # ingest looks into it


def test_files_that_have_not_changed_are_not_read_again(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("darkroom.versions.file_md5s.SETTLED_S", -60.0)
    first = data_version(data)
    monkeypatch.setattr("darkroom.versions.file_md5s._file_md5", None)
    assert data_version(data) == data_version(Path("data/../data")) == dvc_md5(data) == first


def test_a_changed_file_is_read_again_though_its_time_was_set_back(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("darkroom.versions.file_md5s.SETTLED_S", -60.0)
    first = data_version(data)
    time.sleep(0.02)  # the clock of the file system has ticks
    keeping_time(data / ONE, lambda: write(data / ONE, "!"))
    assert data_version(data) != first


def test_a_file_that_was_written_just_now_is_read_again(data: Path) -> None:
    first = data_version(data)
    for text in ("!", "1"):  # within one tick, perhaps
        keeping_time(data / ONE, lambda text=text: write(data / ONE, text))
        assert (data_version(data) == first) == (text == "1")


def test_a_file_that_may_not_be_read_is_named(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(place: str) -> str:
        raise PermissionError(13, "Permission denied", place)

    monkeypatch.setattr("darkroom.versions.file_md5s._file_md5", refuse)
    write(data / ONE, "never seen")
    with pytest.raises(InputError, match=r"one\.png"):
        data_version(data)


def test_a_folder_has_the_same_version_outside_a_repository(data: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    inside = data_version(data)
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    code = "import sys; from pathlib import Path; from darkroom.versions import data_version as m; print(m.data_version(Path(sys.argv[1])))"
    words = [sys.executable, "-c", code, str(data)]
    home = {**os.environ, "XDG_CACHE_HOME": str(elsewhere / "cache")}
    done = subprocess.run(words, cwd=elsewhere, env=home, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == inside
    assert not (elsewhere / "cache").exists()  # it works on a read-only system, too


def test_data_without_a_record_differs_from_nothing(data: Path) -> None:
    assert recorded_version(Path("data")) == ""
    assert difference(Path("data"), data_version(Path("data"))) == ""


def test_nothing_at_the_source_is_the_users_mistake(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"the data source nowhere does not exist: give a folder of images"):
        check_source(Path("nowhere"))
    with pytest.raises(InputError, match=r"is an empty folder"):
        check_source(tmp_path)


def test_a_dvc_repository_that_cannot_be_opened_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".dvc").mkdir()
    (tmp_path / ".dvc" / "config").write_text("<<<<<<< HEAD\n[core]\n=======\n>>>>>>> theirs\n", encoding="utf-8")
    (tmp_path / "data" / "cat").mkdir(parents=True)
    (tmp_path / "data" / "cat" / "1.png").write_bytes(b"1")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"\.dvc/config"):
        data_version(Path("data"))


def test_paths_that_lead_out_of_an_archive_are_left_to_ingest_to_refuse(tmp_path: Path) -> None:
    archive = tmp_path / "hostile.zip"
    with zipfile.ZipFile(archive, "w") as members:
        members.writestr("../../evil.jpg", "x")
    assert data_version(archive)
    with zipfile.ZipFile(archive, "w") as members:
        members.writestr("photos/.DS_Store", "x")
    with pytest.raises(InputError, match=r"hostile\.zip"):
        data_version(archive)


def test_what_is_neither_a_folder_nor_a_file_has_no_version() -> None:
    with pytest.raises(InputError, match="/dev/null is a device"):
        data_version(Path("/dev/null"))
