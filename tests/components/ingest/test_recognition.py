"""Files of formats that are not decoded are delivered, counted by format, told with what to do, and dropped by `clean`."""

import io
from collections.abc import Mapping
from pathlib import Path

import pytest
from PIL import Image

from components.clean.clean import clean
from components.clean.config import CleanConfig
from components.ingest.config import IngestConfig
from components.ingest.contents import read_contents
from components.ingest.ingest import ingest
from darkroom import file_formats, issues
from darkroom.issues import num_dropped
from darkroom.manifest import Manifest, read
from darkroom.system.errors import InputError

HEIC = b"\0\0\0\x18ftypheic" + bytes(range(200))
DICOM = bytes(128) + b"DICM" + bytes(range(100))


@pytest.fixture(autouse=True)
def without_extras(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither HEIC nor DICOM has a decoder."""
    monkeypatch.setattr(file_formats, "is_installed", lambda module: False)


def picture(number: int) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (6, 5), (number, 2, 7)).save(file, "PNG")
    return file.getvalue()


GOOD = {"cat/1.png": picture(1), "cat/2.png": picture(2), "dog/3.png": picture(3), "dog/4.png": picture(4)}


def lay(root: Path, files: Mapping[str, bytes]) -> Path:
    for path, data in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(data)
    return root


def run(data: Path, **settings: object) -> tuple[Manifest, dict[str, float]]:
    out = data.parent / "out"
    measures = ingest(data, out / "images", out / "manifest", config=IngestConfig(**settings))  # type: ignore[arg-type]
    return read(out / "manifest"), measures


CASES = {
    "HEIC by its suffix": ({"cat/a.HEIC": HEIC, "dog/b.heif": b"anything"}, {"heic": 2}, 0),
    "HEIC that is called JPEG": ({"cat/a.jpg": HEIC}, {"heic": 1}, 1),
    "DICOM without a suffix": ({"cat/IM0001": DICOM, "dog/IM0002": DICOM + b"x"}, {"dicom": 2}, 2),
    "DICOM with one": ({"cat/a.dcm": DICOM}, {"dicom": 1}, 0),
    "camera RAW and films": ({"cat/a.CR2": b"x", "cat/a.NEF": b"y", "dog/a.mov": b"z"}, {"camera_raw": 2, "video": 1}, 0),
    "in folders below a class": ({"cat/deep/er/a.jxl": b"\xff\x0a"}, {"jpeg_xl": 1}, 0),
    "documents of pictures": ({"cat/a.pdf": b"%PDF", "dog/b.svg": b"<svg/>"}, {"pdf": 1, "svg": 1}, 0),
    "an archive in a class": ({"cat/more.zip": b"PK\x03\x04"}, {"archive": 1}, 0),
    "pointers of Git LFS": ({"cat/a.jpg": b"version https://git-lfs.github.com/spec/v1\n"}, {"git_lfs_pointer": 1}, 1),
    "a picture that is called HEIC": ({"cat/a.heic": picture(9)}, {}, 1),
    "text": ({"cat/notes.txt": b"hello", "cat/box.xml": b"<a/>"}, {}, 0),
}


@pytest.mark.parametrize(("more", "formats", "num_packed"), CASES.values(), ids=CASES)
def test_what_is_not_decoded_is_counted_by_format_told_and_dropped(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], more: dict[str, bytes], formats: dict[str, int], num_packed: int
) -> None:
    data = lay(tmp_path / "data", {**GOOD, **more})
    _, measures = run(data)
    total = sum(formats.values())
    assert {name: value for name, value in measures.items() if name.startswith("num_undecoded")} == {
        "num_undecoded": total,
        **{f"num_undecoded_{name}": count for name, count in formats.items()},
    }
    said = capsys.readouterr().out
    assert all(name.replace("_", " ") in said.lower() for name in formats)
    assert measures["num_images"] == len(GOOD) + num_packed == len(read_contents(data, IngestConfig()))
    out = tmp_path / "out"
    clean(out / "images", out / "manifest", out / "cleaned", out / "issues", config=CleanConfig())
    assert num_dropped(out / "issues") == total
    rows = issues.rows(out / "issues")
    assert {row["path"] for row in rows if row["check"] == "undecoded"} == (set(more) if total else set())
    assert all(name.replace("_", " ") in " ".join(row["detail"] for row in rows).lower() for name in formats)


def test_a_class_whose_files_are_all_of_such_formats_is_no_class(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    manifest, _ = run(lay(tmp_path / "data", {**GOOD, "films/1.mp4": b"x", "films/2.mp4": b"y"}))
    assert manifest.classes == ("cat", "dog")
    assert "'films'" in capsys.readouterr().out


def test_data_of_such_formats_alone_is_refused_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"HEIC.*extra `heic`"):
        run(lay(tmp_path / "data", {"cat/1.heic": HEIC, "dog/2.heic": HEIC}))


def test_one_that_a_table_names_is_dropped_as_well(tmp_path: Path) -> None:
    table = b"filename,label\n" + b"".join(f"{path},{path[:3]}\n".encode() for path in [*GOOD, "x.heic"])
    manifest, measures = run(lay(tmp_path / "data", {**GOOD, "x.heic": HEIC, "labels.csv": table}), min_found_share=0.1)
    assert (len(manifest), measures["num_undecoded_heic"]) == (5, 1)


def test_pictures_beside_the_class_folders_are_named_in_any_format(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(lay(tmp_path / "data", {**GOOD, "cover.heic": HEIC}))
    assert "cover.heic" in capsys.readouterr().out
    with pytest.raises(InputError, match=r"1\.heic"):
        run(lay(tmp_path / "flat", {"1.heic": HEIC, "2.heic": HEIC}))


def test_a_table_means_the_picture_in_any_format_and_is_told_of_those_it_does_not_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = b"filename,label\n1,x\n2,y\n3,x\n5,y\n"
    data = lay(tmp_path / "data", {**GOOD, "5.heic": HEIC, "5.xml": b"<a/>", "6.dng": b"x", "labels.csv": table})
    manifest, _ = run(data, label_column="label")
    assert "5.heic" in manifest.column("path")
    assert "6.dng" in capsys.readouterr().out
