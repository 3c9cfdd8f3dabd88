"""What a header says of a picture, without decoding: the short way and Pillow's agree."""

import datetime
import io

import numpy as np
import pytest
from PIL import Image

from darkroom import picture_info
from darkroom.picture_info import PictureInfo, read_info, read_plain_info
from darkroom.pixels import TooManyPixelsError, UnreadableError, decode
from tests.damaged import damaged, whole_files


def photograph(kind: str = "JPEG", **texts: str) -> bytes:
    """A picture with EXIF data: `maker`, `model`, `taken`, `digitized`, `changed`."""
    exif, file = Image.Exif(), io.BytesIO()
    exif[0x0112] = 6
    exif.update({tag: texts[name] for tag, name in ((0x010F, "maker"), (0x0110, "model"), (0x0132, "changed")) if name in texts})
    exif.get_ifd(0x8769).update({tag: texts[name] for tag, name in ((0x9003, "taken"), (0x9004, "digitized")) if name in texts})
    Image.new("RGB", (12, 10)).save(file, kind, exif=exif)
    return file.getvalue()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF"])
def test_what_the_camera_wrote_is_read(kind: str) -> None:
    info = read_info(photograph(kind, maker="Canon", model="EOS 5D", taken="2024:05:06 07:08:09", changed="2025:01:01 00:00:00"))
    shown = (10, 12) if kind != "AVIF" else info.size  # Pillow turns an AVIF by itself
    assert info == PictureInfo(*shown, "RGB", kind, info.orientation, datetime.datetime(2024, 5, 6, 7, 8, 9), "Canon EOS 5D")
    assert info.size == decode(photograph(kind)).size


def test_a_tiff_has_a_camera_too() -> None:
    info = read_info(photograph("TIFF", maker="Leica", model="Leica SL2"))
    assert info == PictureInfo(10, 12, "RGB", "TIFF", 6, None, "Leica SL2")


@pytest.mark.parametrize(
    ("texts", "taken_at", "camera"),
    [
        ({}, None, None),
        ({"maker": "NIKON  ", "model": "NIKON D90\0\0"}, None, "NIKON D90"),
        ({"maker": "Acme"}, None, "Acme"),
        ({"model": "x" * 300}, None, "x" * 100),
        ({"model": "a\tb\x07"}, None, "ab"),
        ({"taken": "0000:00:00 00:00:00"}, None, None),
        ({"taken": "    :  :     :  :  "}, None, None),
        ({"taken": "2024:02:30 00:00:00"}, None, None),
        ({"digitized": "2020:01:02 03:04:05"}, datetime.datetime(2020, 1, 2, 3, 4, 5), None),
        ({"changed": "2024:02:03 00:00:00"}, None, None),
        ({"taken": "2024-02-03T04:05:06.70+01:00"}, datetime.datetime(2024, 2, 3, 4, 5, 6), None),
    ],
)
def test_what_is_missing_or_odd_is_none(texts: dict[str, str], taken_at: datetime.datetime | None, camera: str | None) -> None:
    info = read_info(photograph(**texts))
    assert (info.taken_at, info.camera, info.orientation) == (taken_at, camera, 6)


def test_a_picture_is_not_decoded() -> None:
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)).save(file, "JPEG", exif=photograph_exif())
    assert read_info(file.getvalue()[:700]).size == (64, 64)


def photograph_exif() -> Image.Exif:
    exif = Image.Exif()
    exif[0x010F] = "Maker"
    return exif


def plainly(kind: str, mode: str) -> bytes:
    file = io.BytesIO()
    Image.effect_noise((300, 5), 90).convert(mode).save(file, kind)
    return file.getvalue()


@pytest.mark.parametrize(
    ("kind", "mode"), [("JPEG", "L"), ("JPEG", "RGB"), ("JPEG", "CMYK"), *(("PNG", mode) for mode in ("L", "LA", "RGB", "RGBA", "P"))]
)
def test_plain_files_need_no_pillow(kind: str, mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert Image.open(io.BytesIO(plainly(kind, mode))).mode == mode
    monkeypatch.setattr(picture_info, "open_picture", None)
    assert read_info(plainly(kind, mode)) == PictureInfo(300, 5, mode, kind)


def test_the_short_way_says_what_pillow_says() -> None:
    names = [name for name in whole_files() if name.startswith(("jpeg", "mpo", "png"))]
    number, compared = len(whole_files()), 0
    for place in (place for place in range(9000) if list(whole_files())[place % number] in names):
        data = damaged(place)[1]
        try:
            known = picture_info._read_with_pillow(data)
        except UnreadableError:
            continue
        compared += read_plain_info(data) is not None
        assert read_plain_info(data) in (None, known)
    assert compared > 100


def test_a_side_that_no_column_holds_is_refused() -> None:
    data = bytearray(whole_files()["bmp"])
    data[18:22] = b"\xff" * 4
    with pytest.raises(TooManyPixelsError, match="4,294,967,295 x 21 pixels"):
        read_info(bytes(data))
