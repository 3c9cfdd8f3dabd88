"""Formats that are not decoded are named by content, else by suffix; what can be decoded is never taken for one of them."""

import io
import struct

import numpy as np
import pytest
from PIL import Image

from darkroom import file_formats
from darkroom.file_formats import UNDECODED, undecoded_format
from darkroom.picture_info import read_info
from darkroom.pixels import UndecodedError, UnreadableError, decode


@pytest.fixture(autouse=True)
def without_extras(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither HEIC nor DICOM has a decoder."""
    monkeypatch.setattr(file_formats, "is_installed", lambda module: False)


def brand(*brands: bytes) -> bytes:
    return struct.pack(">I", 12 + 4 * len(brands)) + b"ftyp" + brands[0] + bytes(4) + b"".join(brands[1:]) + bytes(64)


def encoded(kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.arange(192, dtype=np.uint8).reshape(8, 8, 3)).save(file, kind, **options)
    return file.getvalue()


def tiff(bands: int = 3, bits: int = 8, compression: int = 1, more: dict[int, int] | None = None) -> bytes:
    """A TIFF of 8 x 8 pixels, by hand: Pillow writes none of the kinds that it does not read."""
    pixels = bytes(8 * 8 * bands * bits // 8)
    tags = {256: 8, 257: 8, 258: bits, 259: compression, 262: 2 if bands > 2 else 1, 273: 0, 277: bands, 278: 8, 279: len(pixels)}
    tags |= more or {}
    depths = struct.pack(f"<{bands}H", *[bits] * bands)
    depths_at = 8 + 2 + 12 * len(tags) + 4
    tags[273] = depths_at + len(depths)
    entries = b""
    for tag, value in sorted(tags.items()):
        if tag == 258 and bands > 2:
            entries += struct.pack("<HHII", tag, 3, bands, depths_at)
        else:
            entries += struct.pack("<HHII", tag, 4, 1, value) if tag != 258 else struct.pack("<HHIHH", tag, 3, bands, bits, bits)
    return struct.pack("<2sHIH", b"II", 42, 8, len(tags)) + entries + bytes(4) + depths + pixels


CONTENTS = {
    "HEIC": [brand(b"heic"), brand(b"heix", b"mif1"), brand(b"mif1", b"mif1", b"heic"), b"\0\0\0\x18ftypheic"],
    "camera RAW": [
        *(
            brand(b"crx "),
            b"FUJIFILMCCD-RAW 0201",
            b"IIRO\x08\0\0\0",
            b"IIU\0\x18\0\0\0",
            tiff(more={50706: 1}),
            tiff(more={254: 1, 330: 9}),
        ),
        b"II*\0\x10\0\0\0CR\x02\0" + bytes(64),
    ],
    "DICOM": [bytes(128) + b"DICM" + bytes(64)],
    "video": [brand(b"isom", b"avc1"), brand(b"qt  "), b"RIFF\0\0\0\0AVI LIST", b"\x1aE\xdf\xa3"],
    "JPEG XL": [b"\xff\x0a\0", b"\0\0\0\x0cJXL \r\n\x87\n"],
    "OpenEXR": [b"v/1\x01\x02"],
    "Radiance HDR": [b"#?RADIANCE\n"],
    "SVG": [b"<svg xmlns='x'/>", b"\xef\xbb\xbf<?xml version='1.0'?>\n<!-- x -->\n<svg/>"],
    "PDF": [b"%PDF-1.7"],
    "NIfTI": [bytes(344) + b"n+1\0"],
    "array": [b"\x93NUMPY\x01\0", b"\x89HDF\r\n"],
    "Git LFS pointer": [b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n"],
}


@pytest.mark.parametrize(("name", "data"), [(name, data) for name, contents in CONTENTS.items() for data in contents])
def test_a_format_is_recognized_by_content_whatever_the_file_is_called(name: str, data: bytes) -> None:
    for path in ("a/scan", "a/photo.jpg", "a/b.tif"):
        found = undecoded_format(path, data)
        assert found is not None
        assert found.name == name
    for look in (read_info, decode):
        with pytest.raises(UndecodedError, match=name):
            look(data)


SUFFIXES = {
    "HEIC": "heic heif HEIC",
    "camera RAW": "dng cr2 CR3 nef arw raf orf",
    "DICOM": "dcm dicom",
    "video": "mp4 mov avi webm",
    "slide scan": "svs ndpi",
    "JPEG XL": "jxl",
    "OpenEXR": "exr",
    "Radiance HDR": "hdr",
    "NIfTI": "nii nii.gz",
    "SVG": "svg",
    "PDF": "pdf",
    "array": "npy",
    "archive": "zip tar.gz",
}


@pytest.mark.parametrize(("name", "suffix"), [(name, suffix) for name, words in SUFFIXES.items() for suffix in words.split()])
def test_a_format_is_known_by_its_suffix_where_the_content_tells_nothing(name: str, suffix: str) -> None:
    for data in (b"", b"anything"):
        found = undecoded_format(f"cat/IMG_1.{suffix}", data)
        assert found is not None
        assert found.name == name


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF", "JPEG2000", "AVIF"])
@pytest.mark.parametrize("path", ["a/1.heic", "a/1.dcm", "a/1.pdf", "a/1"])
def test_a_picture_that_can_be_decoded_is_one_whatever_it_is_called(kind: str, path: str) -> None:
    data = encoded(kind)
    assert undecoded_format(path, data) is None
    assert decode(data).size == read_info(data).size == (8, 8)


@pytest.mark.parametrize("path", ["a/1.nef", "a/1.svs"])
def test_the_thumbnail_of_a_raw_file_is_not_the_picture(path: str) -> None:
    assert undecoded_format(path, tiff()) is not None
    assert undecoded_format("a/1.tif", tiff()) is None


@pytest.mark.parametrize("path", ["a/notes.txt", "a/1.xml", "a/.heic", "a/heic", "a/1.json", "a/photo.jpg"])
def test_other_files_are_of_no_such_format(path: str) -> None:
    assert undecoded_format(path, b"some text") is None


def test_every_format_says_what_to_do_and_none_is_told_twice() -> None:
    assert all(known.remedy for known in UNDECODED)
    for field in ("suffixes", "starts", "brands"):
        values = [value for known in UNDECODED for value in getattr(known, field)]
        assert len(values) == len(set(values))


REASONS = {
    "13 bands": (tiff(13, 16), r"13 bands of 16 bits"),
    "2 bands": (tiff(2, 16), r"2 bands of 16 bits"),
    "64 bits": (tiff(1, 64), r"1 band of 64 bits"),
    "LERC": (tiff(3, 8, 34887), "LERC"),
    "unknown compression": (tiff(3, 8, 12345), "compression 12345"),
    "a codec that fails": (tiff(3, 8, 34925), "LZMA"),
    "a TIFF of nothing": (struct.pack("<2sHIH", b"II", 42, 8, 0) + bytes(4), "TIFF whose header is damaged or cut off"),
    "a JPEG of zeros": (b"\xff\xd8\xff" + bytes(40), "JPEG file that can't be opened"),
    "a PNG that is cut off": (b"\x89PNG\r\n\x1a\n", "PNG file that can't be opened"),
    "a web page": (b"<!DOCTYPE html><html>404</html>", "a web page, not an image"),
    "text": (b"hello", "^not an image$"),
}


@pytest.mark.parametrize(("data", "reason"), REASONS.values(), ids=REASONS)
def test_what_can_not_be_opened_is_called_what_it_is(data: bytes, reason: str) -> None:
    with pytest.raises(UnreadableError, match=reason):
        decode(data)
