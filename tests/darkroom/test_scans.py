"""Scans: exact values, what has none, and the table in which they are kept."""

import hashlib
import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from darkroom import scans
from darkroom.image_quality import draft, measure
from darkroom.images import Images, ImageWriter, image_id
from darkroom.scans import FILE, Scans, Unusable, read, scan_images, to_bytes
from darkroom.system.errors import InputError


def encode(number: int, side: int = 40) -> bytes:
    values = np.random.default_rng(number).integers(0, 256, (side, side + 2, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(values).save(file, "JPEG" if number % 2 else "PNG")
    return file.getvalue()


FILES = [encode(number, 40 + number % 3) for number in range(70)]
NAMES = [image_id(data) for data in FILES]


def packed(folder: Path, files: list[bytes]) -> Images:
    with ImageWriter(folder) as writer:
        for data in files:
            writer.add(data)
    return Images(folder)


def batches(folder: Path) -> list[pa.RecordBatch]:
    return [rows for rows, _ in scan_images(packed(folder / "images", FILES), NAMES)]


def test_a_scan_has_the_values_of_the_picture(tmp_path: Path) -> None:
    found = Scans(batches(tmp_path))
    for name, data in zip(NAMES, FILES, strict=True):
        picture = Image.open(io.BytesIO(data)).convert("RGB")
        digest = hashlib.sha256(f"{picture.width}x{picture.height}:".encode() + picture.tobytes()).hexdigest()
        assert (found.pixel_hash(name), tuple(found.sizes[found.rows([name])[0]])) == (digest[:32], picture.size)
        (row,) = found.rows([name])
        assert tuple(found.sizes[row]) == picture.size
        np.testing.assert_array_equal(found.qualities[row], measure([draft(picture)])[0])  # measured alone or with others


def test_what_is_no_picture_has_no_scan_but_a_reason(tmp_path: Path) -> None:
    header = b"IHDR" + struct.pack(">II", 10_001, 10_000) + FILES[0][24:29]
    large = FILES[0][:12] + header + struct.pack(">I", zlib.crc32(header)) + FILES[0][33:]
    bad = {b"": "unreadable", FILES[0][:-300]: "unreadable", b"II*\0" + bytes(99): "unreadable", large: "refused"}
    images = packed(tmp_path / "images", [FILES[1], *bad])
    ((rows, unusable),) = scan_images(images, images)
    assert rows["image_id"].to_pylist() == [NAMES[1]]
    assert {name: (one.check, one.num_bytes) for name, one in unusable.items()} == {
        image_id(data): (check, len(data)) for data, check in bad.items()
    }
    assert unusable[image_id(b"")] == Unusable("unreadable", 0, "the file is empty")


def test_the_file_is_read_back_and_does_not_depend_on_how_the_rows_came(tmp_path: Path) -> None:
    many = batches(tmp_path)
    assert len(many) == 3
    (tmp_path / FILE).write_bytes(to_bytes(many))
    assert to_bytes([pa.concat_batches(many)]) == (tmp_path / FILE).read_bytes()
    found = read(tmp_path)
    assert found.rows(NAMES[::-1]).tolist() == list(range(len(NAMES)))[::-1]
    np.testing.assert_array_equal(found.qualities, Scans(many).qualities)
    assert ("x" in found, NAMES[0] in found) == (False, True)
    with pytest.raises(KeyError):
        found.pixel_hash("x")


def test_there_may_be_no_file_and_no_rows(tmp_path: Path) -> None:
    assert NAMES[0] not in read(tmp_path)
    (tmp_path / FILE).write_bytes(to_bytes([]))
    assert (read(tmp_path).sizes.shape, read(tmp_path).qualities.shape) == ((0, 2), (0, 5))


def test_other_scans_are_added(tmp_path: Path) -> None:
    many = batches(tmp_path)
    both = Scans(many[:1]).together_with(many[1:])
    assert [both.pixel_hash(name) for name in NAMES] == [Scans(many).pixel_hash(name) for name in NAMES]


def test_a_later_format_and_lost_metadata_are_errors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    many = batches(tmp_path)
    with pa.ipc.new_file(str(tmp_path / FILE), scans.SCHEMA) as writer:
        writer.write_batch(many[0])
    with pytest.raises(ValueError, match=FILE):
        read(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(scans, "_FORMAT", scans.Format("table of scans", (dict,)))
        (tmp_path / FILE).write_bytes(to_bytes(many))
    with pytest.raises(InputError, match=rf"{FILE} is written in format 2 .* up to 1"):
        read(tmp_path)
