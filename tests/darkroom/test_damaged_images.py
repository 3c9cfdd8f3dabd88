"""Damaged images of every format: each is read or refused, in a process that neither crashes nor hangs nor takes much memory."""

import io
import subprocess
import sys
import zlib
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image

from components.ingest.config import IngestConfig
from components.ingest.ingest import ingest
from darkroom import manifest
from darkroom.images import Images
from darkroom.picture_info import read_info
from darkroom.pixels import TooManyPixelsError, UnreadableError, decode
from darkroom.scans import scan_images
from tests.conftest import ROOT
from tests.damaged import DAMAGES, damaged, whole_files
from tests.malicious import png

MAX_S, MAX_MB = 1.0, 1024  # seconds of the processor a file, and memory of the process that reads it


def read_elsewhere(*words: object) -> tuple[list[list[str]], float]:
    """Reads files in a process of its own: a row a file, and the largest memory in MB."""
    command = [sys.executable, "-m", "tests.damaged", *map(str, words)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=3600)
    lines = done.stdout.splitlines()
    assert done.returncode == 0, f"{done.returncode} after {lines[-1:]}: {done.stderr[-2000:]}"
    return [line.split("\t") for line in lines[:-1]], float(lines[-1])


@pytest.mark.parametrize(
    ("start", "stop"), [pytest.param(0, 500, id="500"), pytest.param(500, 10_500, id="10,000", marks=pytest.mark.slow)]
)
def test_damaged_images_are_read_or_refused(start: int, stop: int) -> None:
    rows, megabytes = read_elsewhere(start, stop)
    assert [int(row[0]) for row in rows] == list(range(start, stop))
    verdicts = Counter(row[2] for row in rows)
    assert set(verdicts) == {"good", "bad"} and min(verdicts.values()) > 0.2 * len(rows)
    slowest = max(rows, key=lambda row: float(row[3]))
    assert float(slowest[3]) < MAX_S, slowest
    assert megabytes < MAX_MB


def test_every_format_is_damaged_in_every_way() -> None:
    names = {damaged(number)[0] for number in range(10_000)}
    assert names == {f"{file}, {kind}" for file in whole_files() for kind in DAMAGES}


@pytest.mark.parametrize("name", whole_files())
def test_the_files_are_whole_before_they_are_damaged(name: str) -> None:
    data = whole_files()[name]
    assert decode(data).size == read_info(data).size


def test_every_damaged_file_is_counted_as_good_or_bad(tmp_path: Path) -> None:
    for number in range(300):
        path = tmp_path / "data" / "ab"[number % 2] / str(number)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(damaged(number)[1])
    measures = ingest(tmp_path / "data", tmp_path / "images", tmp_path / "manifest", config=IngestConfig())
    assert measures["num_files"] + measures["num_ignored"] == 300
    names = set(manifest.read(tmp_path / "manifest").column("image_id")) - {None}
    good, bad = set[str](), set[str]()
    for rows, unusable in scan_images(Images(tmp_path / "images"), sorted(names)):
        good |= set(rows.column("image_id").to_pylist())
        bad |= set(unusable)
    assert good | bad == names and not good & bad
    assert len(good) > 60 and len(bad) > 20


LARGE = {
    "transparent.png": ("RGBA", (10_000, 10_000), {"compress_level": 1}),
    "deep.png": ("I;16", (10_000, 10_000), {"compress_level": 1}),
    "palette.png": ("P", (10_000, 10_000), {"compress_level": 1, "transparency": 0}),
    "float.tiff": ("F", (10_000, 10_000), {"compression": "packbits"}),
    "colour.jpg": ("RGB", (10_000, 10_000), {"progressive": True}),
    "colour.webp": ("RGB", (7000, 7000), {"method": 0}),
    "colour.avif": ("RGB", (6300, 6300), {"speed": 10}),
    "colour.jp2": ("RGB", (4690, 4690), {}),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", LARGE)
def test_the_largest_pictures_that_are_decoded_stay_below_a_gigabyte(name: str, tmp_path: Path) -> None:
    mode, sides, options = LARGE[name]
    exif = Image.Exif()
    exif[0x0112] = 6
    with_exif = {} if name.endswith("jp2") else {"exif": exif}
    Image.new(mode, sides).save(tmp_path / name, **options, **with_exif)
    rows, megabytes = read_elsewhere(tmp_path / name)
    assert [row[2] for row in rows] == ["good"]
    assert megabytes < MAX_MB


@pytest.mark.parametrize("kind", ["WEBP", "AVIF", "JPEG2000"])
def test_a_decoder_that_takes_more_memory_a_pixel_gets_fewer_pixels(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    file = io.BytesIO()
    Image.new("RGB", (40, 30)).save(file, kind)
    monkeypatch.setattr("darkroom.pixels.MAX_PIXELS_BY_FORMAT", {kind: 1199})
    with pytest.raises(TooManyPixelsError, match=f"40 x 30 pixels are more than the 1,199 that are decoded of {kind}"):
        decode(file.getvalue())


def test_a_png_that_is_too_short_for_its_header_is_unreadable() -> None:
    with pytest.raises(UnreadableError, match=r"\d+ bytes can't hold the 9,000 x 9,000 pixels of its header"):
        decode(png(9000, 9000, pixels=zlib.compress(bytes(9001 * 8))))
    assert decode(png(9000, 9000)).size == (9000, 9000)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "I;16", "I", "F"])
def test_a_picture_in_strips_is_the_same(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    file = io.BytesIO()
    source = Image.effect_noise((40, 30), 90)
    picture = Image.merge("RGBA", [source, source.rotate(180), source, source.rotate(180)]) if mode == "RGBA" else source.convert(mode)
    picture.save(file, "TIFF" if mode in ("I", "F") else "PNG", **({"transparency": 7} if mode == "P" else {}))
    at_once = decode(file.getvalue())
    monkeypatch.setattr("darkroom.pixels._STRIP_PIXELS", 40 * 7)
    assert decode(file.getvalue()).tobytes() == at_once.tobytes()
