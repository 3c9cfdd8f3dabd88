"""Malicious files of every format that the product reads. None of them does harm beyond making a file, `MARKER`, where it is run."""

import io
import os
import pickle
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

MARKER = Path("marker")  # in the current folder


class _Payload:
    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, (f"touch {MARKER.absolute()}",)


def payload() -> Any:
    """An object whose pickle makes the marker when it is read."""
    return _Payload()


def pickled() -> bytes:
    return pickle.dumps(payload())


def png(width: int = 4, height: int = 4, extra: bytes = b"", pixels: bytes | None = None) -> bytes:
    rows = zlib.compress(bytes((width + 1) * height)) if pixels is None else pixels
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def cut(kind: str) -> bytes:
    """A picture of a format whose second half is missing."""
    file = io.BytesIO()
    Image.effect_noise((64, 64), 50).convert("RGB").save(file, kind)
    return file.getvalue()[: len(file.getvalue()) // 2]


def numpy_objects() -> bytes:
    file = io.BytesIO()
    np.save(file, np.array([payload()], dtype=object), allow_pickle=True)
    return file.getvalue()


def postscript() -> bytes:
    """A picture that a PostScript interpreter would run a program for."""
    program = f"(%pipe%touch {MARKER.absolute()}) (w) file closefile showpage\n"
    return b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\n" + program.encode()


def windows_postscript() -> bytes:
    return b"\xc5\xd0\xd3\xc6" + struct.pack("<6I", 30, len(postscript()), 0, 0, 0, 0) + b"\xff\xff" + postscript()


def icon() -> bytes:
    """An icon whose directory says 8 x 8 pixels, and whose picture has billions."""
    return b"\0\0\1\0\1\0" + struct.pack("<BBBBHHII", 8, 8, 0, 0, 1, 32, 50, 22) + png(60_000, 60_000, pixels=b"")


def text_bomb(kind: bytes, head: bytes) -> bytes:
    return png(extra=chunk(kind, head + zlib.compress(bytes(20 * 2**20), 9)))


IMAGES: dict[str, Callable[[], bytes]] = {
    "pickle.png": pickled,
    "objects.npy": numpy_objects,
    "text_bomb.png": lambda: text_bomb(b"zTXt", b"a\0\0"),
    "unicode_text_bomb.png": lambda: text_bomb(b"iTXt", b"a\0\1\0\0\0"),
    "profile_bomb.png": lambda: text_bomb(b"iCCP", b"a\0\0"),
    "pixel_bomb.png": lambda: png(60_000, 60_000, pixels=zlib.compress(b"\0")),
    "no_pixels.png": lambda: png(0, 0),
    "cut.gif": lambda: cut("GIF"),
    "cut.tif": lambda: cut("TIFF"),
    "cut.webp": lambda: cut("WEBP"),
    "cut.jpg": lambda: cut("JPEG"),
    "cut.bmp": lambda: cut("BMP"),
    "cut.jp2": lambda: cut("JPEG2000"),
    "program.eps": postscript,
    "program.png": postscript,
    "windows_program.jpg": windows_postscript,
    "launch.pdf": lambda: b"%PDF-1.4\n1 0 obj<</Type/Catalog/OpenAction<</S/Launch/F(touch marker)>>>>endobj",
    "entity.svg": lambda: (
        b'<!DOCTYPE svg [<!ENTITY x SYSTEM "file:///etc/passwd">]><svg xmlns="http://www.w3.org/2000/svg"><script>1</script>&x;</svg>'
    ),
    "bomb.psd": lambda: b"8BPS\0\1" + bytes(6) + struct.pack(">HIIHH", 3, 60_000, 60_000, 8, 3) + bytes(14),
    "bomb.ico": icon,
    "bomb.bmp": lambda: b"BM" + struct.pack("<IHHIIiiHHIIiiII", 54, 0, 0, 54, 40, 60_000, 60_000, 1, 24, 0, 0, 0, 0, 0, 0),
    "drawing.wmf": lambda: b"\xd7\xcd\xc6\x9a\0\0" + struct.pack("<hhhhH", 0, 0, 100, 100, 96) + bytes(6) + b"\1\0\t\0" + bytes(100),
}  # fmt: skip


def zipped(*members: tuple[str | zipfile.ZipInfo, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return file.getvalue()


def zip_link() -> bytes:
    link = zipfile.ZipInfo("cat/link.png")
    link.external_attr = 0o120777 << 16
    return zipped((link, b"/etc/passwd"))


def tarred(name: str, kind: bytes = tarfile.REGTYPE, mode: str = "w") -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode=mode) as archive:  # type: ignore[call-overload]
        member = tarfile.TarInfo(name)
        member.type, member.linkname = kind, "/etc/passwd" if kind in (tarfile.SYMTYPE, tarfile.LNKTYPE) else ""
        archive.addfile(member)
    return file.getvalue()


def bomb() -> bytes:
    """Files that are small enough each, and unpack to more than a gigabyte together."""
    template = zipped(("0.png", bytes(99 * 2**20)))
    start = template.index(b"PK\1\2")
    entry, end = template[start : template.index(b"PK\5\6")], template[template.index(b"PK\5\6") :]
    entries = b"".join(entry[:46] + f"{number:x}.png".encode() for number in range(16))
    return template[:start] + entries + end[:8] + struct.pack("<HHII", 16, 16, len(entries), start) + end[20:]


ARCHIVES: dict[str, tuple[Callable[[], bytes], str]] = {
    "pickle.zip": (pickled, "is no folder, table"),
    "upwards.zip": (lambda: zipped(("cat/../../marker", b"x")), "leads out of it"),
    "absolute.zip": (lambda: zipped((str(MARKER.absolute()), b"x")), "leads out of it"),
    "windows.zip": (lambda: zipped(("C:\\marker", b"x")), "leads out of it"),
    "link.zip": (zip_link, "a link or a device"),
    "bomb.zip": (bomb, "more than 200 times its size"),
    "upwards.tar": (lambda: tarred("../marker"), "leads out of it"),
    "absolute.tar.gz": (lambda: tarred(str(MARKER.absolute()), mode="w:gz"), "leads out of it"),
    "upwards.tar.bz2": (lambda: tarred("a/../../marker", mode="w:bz2"), "leads out of it"),
    "upwards.tar.xz": (lambda: tarred("a/../../marker", mode="w:xz"), "leads out of it"),
    "symlink.tar": (lambda: tarred("cat/a.png", tarfile.SYMTYPE), "a link or a device"),
    "hard_link.tar": (lambda: tarred("cat/a.png", tarfile.LNKTYPE), "a link or a device"),
    "device.tar": (lambda: tarred("cat/a.png", tarfile.BLKTYPE), "a link or a device"),
    "pipe.tar": (lambda: tarred("cat/a.png", tarfile.FIFOTYPE), "a link or a device"),
}  # fmt: skip


def parquet(columns: dict[str, Any], metadata: dict[bytes, bytes] | None = None) -> bytes:
    file = io.BytesIO()
    pq.write_table(pa.table(columns).replace_schema_metadata(metadata or {}), file)
    return file.getvalue()


def extension() -> pa.Field:
    """A column of the kind that pyarrow once read by unpickling."""
    names = {b"ARROW:extension:name": b"arrow.py_extension_type", b"ARROW:extension:metadata": pickled()}
    return pa.field("label", pa.binary(), metadata=names)


def extended() -> bytes:
    file = io.BytesIO()
    schema = pa.schema([pa.field("path", pa.string()), extension()])
    pq.write_table(pa.table([["cat/0.png", "dog/1.png"], [b"cat", b"dog"]], schema=schema), file)
    return file.getvalue()


ROWS = {"path": ["cat/0.png", "dog/1.png"], "label": ["cat", "dog"]}
TABLES: dict[str, tuple[Callable[[], bytes], str]] = {  # without words: it is read, as text
    "pickle.parquet": (pickled, "no readable Parquet file"),
    "pandas_metadata.parquet": (lambda: parquet(ROWS, {b"pandas": pickled()}), ""),
    "objects.parquet": (lambda: parquet(ROWS | {"more": [pickled()] * 2}), ""),
    "extension.parquet": (extended, ""),
    "bomb.parquet": (lambda: parquet({f"c{number}": pa.nulls(2**20, pa.int8()) for number in range(60)}), "than a table of labels holds"),
    "pickle.csv": (lambda: b"path,label\n" + pickled(), "is not UTF-8"),
    "upwards.csv": (lambda: b"path,label\n../../etc/passwd,cat\ndog/1.png,dog\n", "leads out of the data"),
    "absolute.tsv": (lambda: b"path\tlabel\n/etc/passwd\tcat\ndog/1.png\tdog\n", "leads out of the data"),
}  # fmt: skip


def graph(location: str) -> bytes:
    """An ONNX model of the product's form whose weights stand in another file."""
    weights = onnx.TensorProto(name="w", data_type=onnx.TensorProto.FLOAT, dims=[2], data_location=onnx.TensorProto.EXTERNAL)
    for key, value in (("location", location), ("offset", "0"), ("length", "8")):
        weights.external_data.add(key=key, value=value)
    images = onnx.helper.make_tensor_value_info("images", onnx.TensorProto.UINT8, ["n", 16, 16, 3])
    answers = onnx.helper.make_tensor_value_info("probabilities", onnx.TensorProto.FLOAT, [2])
    made = onnx.helper.make_graph([onnx.helper.make_node("Identity", ["w"], ["probabilities"])], "g", [images], [answers], [weights])
    return onnx.helper.make_model(made, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=9).SerializeToString()


TAGGED = f"!!python/object/apply:os.system ['touch {MARKER}']"
NESTED = "[" * 500
