"""A second ingest of a folder reads only what is new or changed, and writes the same as one that reads all."""

import io
import os
import shutil
from pathlib import Path

import pytest
from PIL import Image

from components.ingest.config import IngestConfig
from components.ingest.ingest import ingest
from components.ingest.sources import FolderSource
from darkroom import manifest
from darkroom.file_store import KEPT_AS
from darkroom.images import image_id
from darkroom.system.errors import InputError
from darkroom.vector_store import forget_images
from darkroom.verdicts import Verdict, append, now
from tests.darkroom.test_optional_formats import RAMP, scan
from tests.darkroom.test_picture_info import photograph


def picture(number: int) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (6 + number % 5, 5), (number % 256, 0, 7)).save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Some pictures that count as settled at once."""
    monkeypatch.setattr("darkroom.file_store.SETTLED_S", -60.0)
    for number in range(8):
        add(tmp_path / "data" / "ab"[number % 2] / f"{number}.png", picture(number))
    add(tmp_path / "data/a/photo.jpg", photograph(maker="Acme", taken="2024:05:06 07:08:09"))
    return tmp_path / "data"


def add(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files that are read, as they are."""
    paths: list[str] = []
    plain = FolderSource._read
    monkeypatch.setattr(FolderSource, "_read", lambda source, path: paths.append(path) or plain(source, path))  # type: ignore[func-returns-value]
    return paths


def run(data: Path, out: Path, store: Path | None = None) -> tuple[list[bytes], bytes]:
    """The bytes of what is written."""
    ingest(data, out / "images", out / "manifest", config=IngestConfig(), store=store)
    return [path.read_bytes() for path in sorted((out / "images").iterdir())], (out / "manifest").read_bytes()


def test_only_what_is_new_or_changed_is_read(tmp_path: Path, data: Path, read: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    first = run(data, tmp_path / "1", tmp_path / "store")
    assert len(read) == 9
    read.clear()
    assert run(data, tmp_path / "2", tmp_path / "store") == first
    assert read == []
    assert "read 0 of 9 files" in capsys.readouterr().out
    add(data / "a/0.png", picture(100))
    add(data / "a/new.png", picture(101))
    add(data / "b/copy.png", picture(1))
    shutil.move(data / "b/3.png", data / "b/moved.png")
    grown = run(data, tmp_path / "3", tmp_path / "store")
    assert sorted(read) == ["a/0.png", "a/new.png", "b/copy.png", "b/moved.png"]
    assert grown == run(data, tmp_path / "all")
    read.clear()
    shutil.rmtree(tmp_path / "1")
    assert run(data, tmp_path / "4", tmp_path / "store") == grown
    assert read == []


def test_a_change_that_keeps_size_and_time_is_seen(tmp_path: Path, data: Path, read: list[str]) -> None:
    run(data, tmp_path / "1", tmp_path / "store")
    path = data / "a/0.png"
    status = path.stat()
    path.write_bytes(bytes(reversed(path.read_bytes())))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (status.st_size, status.st_mtime_ns)
    read.clear()
    run(data, tmp_path / "2", tmp_path / "store")
    assert read == ["a/0.png"]
    assert None in manifest.read(tmp_path / "2/manifest").column("width")


def test_a_file_above_a_lower_limit_of_size_is_not_taken_from_an_earlier_run(tmp_path: Path, data: Path) -> None:
    add(data / "a/large.png", picture(9) + bytes(2**20))
    run(data, tmp_path / "1", tmp_path / "store")
    config = IngestConfig(max_file_mb=1)
    measures = ingest(data, tmp_path / "2/images", tmp_path / "2/manifest", config=config, store=tmp_path / "store")
    assert (measures["num_files"], measures["num_too_large"]) == (10, 1)


def test_a_scan_is_dropped_where_the_extra_that_decoded_it_is_gone(tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pydicom")
    add(data / "a/scan.dcm", scan(RAMP))
    run(data, tmp_path / "1", tmp_path / "store")
    monkeypatch.setattr("darkroom.file_formats.is_installed", lambda module: False)
    assert run(data, tmp_path / "2", tmp_path / "store") == run(data, tmp_path / "all")


def test_what_has_just_changed_is_read_again(tmp_path: Path, data: Path, read: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("darkroom.file_store.SETTLED_S", 60.0)
    for name in ("1", "2"):
        run(data, tmp_path / name, tmp_path / "store")
    assert len(read) == 18


def test_files_whose_bytes_are_gone_or_damaged_are_read_again(tmp_path: Path, data: Path, read: list[str]) -> None:
    first = run(data, tmp_path / "1", tmp_path / "store")
    shard = next((tmp_path / "1/images").iterdir())
    content = (data / "b/1.png").read_bytes()
    shard.write_bytes(shard.read_bytes().replace(content, bytes(len(content))))
    read.clear()
    assert run(data, tmp_path / "2", tmp_path / "store") == first
    assert read == ["b/1.png"]
    for name in ("1", "2"):
        shutil.rmtree(tmp_path / name)
    read.clear()
    assert run(data, tmp_path / "3", tmp_path / "store") == first
    assert len(read) == 9


@pytest.mark.parametrize("name", ["packed.json", "*.arrow"])
def test_a_damaged_store_costs_a_run_that_reads_all(tmp_path: Path, data: Path, read: list[str], name: str) -> None:
    first = run(data, tmp_path / "1", tmp_path / "store")
    next((tmp_path / "store" / KEPT_AS).glob(name)).write_bytes(b"{")
    read.clear()
    assert run(data, tmp_path / "2", tmp_path / "store") == first
    assert len(read) == 9
    read.clear()
    assert run(data, tmp_path / "3", tmp_path / "store") == first
    assert read == []


def test_a_forgotten_image_is_not_known_any_more(tmp_path: Path, data: Path) -> None:
    run(data, tmp_path / "1", tmp_path / "store")
    name = manifest.read(tmp_path / "1/manifest").column("image_id")[0]
    assert forget_images(tmp_path / "store", [name]) == 1
    assert name.encode() not in b"".join(path.read_bytes() for path in (tmp_path / "store").rglob("*.arrow"))


def test_a_store_that_can_not_be_written_is_told(tmp_path: Path, data: Path) -> None:
    (tmp_path / "store").write_text("a file")
    with pytest.raises(InputError, match="can't be written"):
        run(data, tmp_path / "1", tmp_path / "store")


def test_files_that_are_no_pictures_are_looked_at_each_time(tmp_path: Path, data: Path, read: list[str]) -> None:
    add(data / "a/empty.png", b"")
    add(data / "b/text.txt.bak", b"text")
    first = run(data, tmp_path / "1", tmp_path / "store")
    read.clear()
    assert run(data, tmp_path / "2", tmp_path / "store") == first
    assert sorted(read) == ["a/empty.png", "b/text.txt.bak"]


@pytest.mark.parametrize("stated", [0, 3, 9, 100])
def test_a_file_that_has_another_size_by_now_is_read_whole(tmp_path: Path, stated: int) -> None:
    add(tmp_path / "data/a/1.png", b"123456789")
    source = FolderSource(tmp_path / "data", 1000)
    source.sizes["a/1.png"] = stated
    assert [file.data for file in source.read(["a/1.png"])] == [b"123456789"]


def test_files_come_in_the_order_asked_for_whatever_their_sizes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("components.ingest.sources.BATCH_FILES", 3)
    monkeypatch.setattr("components.ingest.sources.BATCH_BYTES", 50)
    sizes = [0, 60, 10, 10, 10, 10, 49, 2, 51, 0, 0, 0, 0]
    for number, size in enumerate(sizes):
        add(tmp_path / f"data/a/{number:02d}", bytes([number]) * size)
    source = FolderSource(tmp_path / "data", 1000)
    assert [len(file.data) for file in source.read(list(source.sizes))] == sizes


def test_an_image_that_a_person_labelled_is_read_once(tmp_path: Path, data: Path, read: list[str]) -> None:
    add(data / "new.png", picture(50))
    append(tmp_path / "judged.csv", Verdict(image_id(picture(50)), "relabel", "b", "anna", now()))
    for number in range(2):
        read.clear()
        places = {"images": tmp_path / str(number) / "images", "manifest": tmp_path / str(number) / "manifest"}
        ingest(data, **places, config=IngestConfig(), store=tmp_path / "store", verdicts=tmp_path / "judged.csv")
        labels = dict(zip(*(manifest.read(places["manifest"]).column(name) for name in ("path", "label")), strict=True))
        assert labels["new.png"] == "b" and bool(read) != bool(number)
