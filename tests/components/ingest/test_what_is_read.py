"""The data version changes with whatever `ingest` makes of a source, and with nothing else, in every form of source."""

import io
import os
import shutil
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from components.ingest.config import IngestConfig
from components.ingest.ingest import ingest
from darkroom.images import Images
from darkroom.manifest import read
from darkroom.system.errors import InputError
from darkroom.versions.data_version import data_version
from pipelines.params import frozen

TABLE = "image,patient\none.png,p\ntwo.png,q\nthree.png,r\n"
CHANGES: dict[str, Callable[[Path], object]] = {
    "a pixel": lambda data: (data / "cat/one.png").write_bytes(picture(9)),
    "a group in the table": lambda data: (data / "patients.csv").write_text(TABLE.replace(",q", ",p")),
    "another folder": lambda data: (data / "cat/one.png").rename(data / "dog/one.png"),
    "another name": lambda data: (data / "cat/one.png").rename(data / "cat/one.PNG"),
    "a format that is not decoded": lambda data: (data / "dog/four.heic").write_bytes(b"\0\0\0\x18ftypheic"),
    "one less": lambda data: (data / "cat/two.png").unlink(),
}
NO_CHANGES: dict[str, Callable[[Path], object]] = {
    "nothing": lambda data: None,
    "times": lambda data: [os.utime(path, (1_000_000_000, 1_000_000_000)) for path in data.rglob("*")],
    "caches": lambda data: [(data / name).write_bytes(b"x") for name in (".DS_Store", "cat/Thumbs.db", "cat/._one.png")],
    "thumbnails": lambda data: [(data / "@eaDir").mkdir(), (data / "@eaDir/one.png").write_bytes(picture(1))],
    "documents": lambda data: (data / "README.md").write_text("about"),
}


def picture(number: int) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (6, 5), (number, 2, 7)).save(file, "PNG")
    return file.getvalue()


def folder(data: Path) -> Path:
    return data


def with_dots(data: Path) -> Path:
    return Path(os.path.relpath(data / "cat")) / ".."


def of_links(data: Path) -> Path:
    linked = data.parent / "linked"
    linked.mkdir()
    for path in data.iterdir():
        (linked / path.name).symlink_to(path)
    return linked


def table(data: Path) -> Path:
    return data / "patients.csv"


def packed_zip(data: Path) -> Path:
    with zipfile.ZipFile(data.parent / "data.zip", "w") as archive:
        for path in sorted(path for path in data.rglob("*") if path.is_file()):
            archive.write(path, str(path.relative_to(data)))
    return data.parent / "data.zip"


def packed_tar(data: Path) -> Path:
    with tarfile.open(data.parent / "data.tar", "w") as archive:
        archive.add(data, ".")
    return data.parent / "data.tar"


def made_of(source: Path, out: Path) -> object:
    """All that the later steps see, except the version itself; or why nothing is made."""
    shutil.rmtree(out, ignore_errors=True)
    try:
        ingest(source, out / "images", out / "manifest", config=IngestConfig(missing_files="drop", label_column="none"))
    except InputError as error:
        return str(error)
    manifest = read(out / "manifest")
    return manifest.table.to_pydict(), manifest.classes, manifest.task, sorted(Images(out / "images"))


@pytest.mark.parametrize("form", [folder, with_dots, of_links, table, packed_zip, packed_tar], ids=lambda form: form.__name__)
def test_the_version_follows_what_ingest_makes_and_nothing_else(
    tmp_path: Path, form: Callable[[Path], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    versions, made = {}, {}
    for name, change in {**NO_CHANGES, **CHANGES}.items():
        place = tmp_path / "here"
        for number, path in enumerate(("cat/one.png", "cat/two.png", "dog/three.png")):
            (place / "data" / path).parent.mkdir(parents=True, exist_ok=True)
            (place / "data" / path).write_bytes(picture(number))
        (place / "data/patients.csv").write_text(TABLE)
        change(place / "data")
        source = form(place / "data")
        versions[name], made[name] = data_version(source), made_of(source, tmp_path / "out")
        assert frozen({"evaluate": {"data": str(source), "data_version": ""}})["evaluate"]["data_version"] == versions[name]
        shutil.rmtree(place)
    assert {name for name in made if made[name] == made["nothing"]} == set(NO_CHANGES)
    packed = form in (packed_zip, packed_tar)  # of an archive every byte counts
    assert {name for name in versions if versions[name] == versions["nothing"]} == ({"nothing"} if packed else set(NO_CHANGES))
    assert len({versions[name] for name in CHANGES}) == len(CHANGES)
