"""Damaged images of every format that Pillow writes and `darkroom.pixels` reads, and a process that reads them.

`python -m tests.damaged START STOP` prints a line a file: its number, what it is, `good` or `bad`, and the seconds of the processor; and
at the end the largest resident memory of the process in MB. A file that is neither read nor refused ends it. `python -m tests.damaged FILE`
does so for one file.
"""

import io
import random
import struct
import sys
import time
import warnings
import zlib
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

from darkroom.file_formats import DICOM, HEIC
from darkroom.picture_info import read_info
from darkroom.pixels import UnreadableError, decode

SIDES = 33, 21  # of the pictures before they are damaged
LARGEST = (b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\xff\xff\xff\x7f", b"\0\0\xff\xff", b"\xff\xff\0\0", b"\0\1\0\0", b"\0\0\0\0")
_PNG = b"\x89PNG\r\n\x1a\n"


def _exif() -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112], exif[0x010F], exif[0x0110], exif[0x0132] = 6, "Maker", "Model", "2024:05:06 07:08:09"
    exif.get_ifd(0x8769)[0x9003] = "2024:05:06 07:08:09"
    return exif


def _encoded(mode: str, kind: str, **options: object) -> bytes:
    rng = np.random.default_rng(0)
    ramp = np.linspace(0, 200, SIDES[0] * SIDES[1]).reshape(*SIDES[::-1], 1)
    values = (ramp + rng.integers(0, 50, (*SIDES[::-1], 4))).astype(np.uint8)
    picture = Image.fromarray(values[..., 0].astype(np.uint16) * 257) if mode == "I;16" else Image.fromarray(values, "RGBA").convert(mode)
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of formats that Pillow will not know for ever
        picture.save(file, kind, **options)
    return file.getvalue()


@cache
def whole_files() -> dict[str, bytes]:
    """Small pictures that can be read, by what they are."""
    exif, frames = _exif(), {"save_all": True, "append_images": [Image.new("RGB", SIDES, "red")]}
    made: dict[str, Callable[[], bytes]] = {
        "jpeg": lambda: _encoded("RGB", "JPEG", exif=exif),
        "jpeg progressive": lambda: _encoded("RGB", "JPEG", progressive=True, icc_profile=bytes(200)),
        "jpeg cmyk": lambda: _encoded("CMYK", "JPEG"),
        "mpo": lambda: _encoded("RGB", "MPO", **frames),
        "png": lambda: _encoded("RGB", "PNG", exif=exif),
        "png alpha": lambda: _encoded("RGBA", "PNG"),
        "png palette": lambda: _encoded("P", "PNG", transparency=3),
        "png 16 bit": lambda: _encoded("I;16", "PNG"),
        "png animated": lambda: _encoded("RGB", "PNG", **frames),
        "gif": lambda: _encoded("P", "GIF", transparency=1),
        "gif animated": lambda: _encoded("RGB", "GIF", **frames),
        "bmp": lambda: _encoded("RGB", "BMP"),
        "bmp palette": lambda: _encoded("P", "BMP"),
        "dib": lambda: _encoded("RGB", "DIB"),
        "tiff": lambda: _encoded("RGB", "TIFF", exif=exif),
        "tiff 16 bit": lambda: _encoded("I;16", "TIFF"),
        **{
            f"tiff {method}": lambda method=method: _encoded("RGB", "TIFF", compression=method)  # type: ignore[misc]
            for method in ("tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg")
        },
        "tiff group4": lambda: _encoded("1", "TIFF", compression="group4"),
        "webp": lambda: _encoded("RGB", "WEBP", exif=exif),
        "webp lossless": lambda: _encoded("RGBA", "WEBP", lossless=True),
        "webp animated": lambda: _encoded("RGB", "WEBP", **frames),
        "avif": lambda: _encoded("RGB", "AVIF", speed=10, exif=exif),
        "avif alpha": lambda: _encoded("RGBA", "AVIF", speed=10),
        "jpeg 2000": lambda: _encoded("RGB", "JPEG2000"),
        "jpeg 2000 tiles": lambda: _encoded("RGB", "JPEG2000", tile_size=(16, 16), no_jp2=True),
        "ico": lambda: _encoded("RGBA", "ICO", sizes=[(16, 16), (32, 16)]),
        "ico bmp": lambda: _encoded("RGBA", "ICO", sizes=[(16, 16)], bitmap_format="bmp"),
        "psd": lambda: b"8BPS\0\1" + bytes(6) + struct.pack(">HIIHH", 3, 21, 33, 8, 3) + bytes(14) + bytes(21 * 33 * 3),
        "tga": lambda: _encoded("RGBA", "TGA", compression="tga_rle"),
        "dds": lambda: _encoded("RGBA", "DDS", pixel_format="DXT5"),
        "sgi": lambda: _encoded("RGB", "SGI"),
        "pcx": lambda: _encoded("RGB", "PCX"),
        "ppm": lambda: _encoded("RGB", "PPM"),
        "pgm": lambda: _encoded("L", "PPM"),
        "pfm": lambda: _encoded("F", "PPM"),
        "qoi": lambda: _encoded("RGB", "QOI"),
        "msp": lambda: _encoded("1", "MSP"),
        "spider": lambda: _encoded("F", "SPIDER"),
        "xbm": lambda: _encoded("1", "XBM"),
        "blp": lambda: _encoded("P", "BLP"),
    }  # fmt: skip
    return {name: make() for name, make in made.items()} | _of_extras()


def _of_extras() -> dict[str, bytes]:
    """Pictures of the formats that the extras decode, where these are installed."""
    if not (HEIC.is_decoded and DICOM.is_decoded):
        return {}
    from tests.optional_pictures import HEIC as PHOTOGRAPH
    from tests.optional_pictures import TURNED, bare, scan

    grey = (np.arange(21 * 33) * 5).astype(np.uint16).reshape(21, 33)
    window = {"WindowCenter": 1000, "WindowWidth": 2000, "RescaleSlope": 1, "RescaleIntercept": -1024}
    colour = scan(np.stack([grey.astype(np.uint8)] * 3, axis=-1), "RGB")
    return {"heic": PHOTOGRAPH, "heic turned": TURNED, "dicom": scan(grey, **window), "dicom rgb": colour, "dicom bare": bare(scan(grey)),
            "dicom implicit": bare(scan(grey), implicit=True)}  # fmt: skip


def damaged(number: int) -> tuple[str, bytes]:
    """What the damaged file of this number is, and its bytes; the same in every process."""
    rng = random.Random(number)
    files = whole_files()
    name = list(files)[number % len(files)]
    kind = rng.choice(list(DAMAGES))
    data = DAMAGES[kind](bytearray(files[name]), rng)
    if data.startswith(_PNG) and rng.random() < 0.7:
        data = _with_checksums(data)  # or hardly any damage would reach the decoder
    return f"{name}, {kind}", bytes(data)


def _flipped(data: bytearray, rng: random.Random) -> bytearray:
    for _ in range(rng.choice((1, 2, 8, 40))):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return data


def _flipped_header(data: bytearray, rng: random.Random) -> bytearray:
    for _ in range(rng.choice((1, 2, 4))):
        data[rng.randrange(4, min(120, len(data)))] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))
    return data


def _with_zeros(data: bytearray, rng: random.Random) -> bytearray:
    start, length = rng.randrange(len(data)), rng.choice((4, 64, len(data)))
    data[start : start + length] = bytes(len(data[start : start + length]))
    return data


def _with_large_numbers(data: bytearray, rng: random.Random) -> bytearray:
    """A bomb: a width, a height, a count, a length or an offset is as large as can be."""
    for _ in range(rng.choice((1, 2))):
        start = rng.randrange(4, min(200, len(data) - 4))
        data[start : start + 4] = rng.choice(LARGEST)
    return data


def _swapped(data: bytearray, rng: random.Random) -> bytearray:
    """Begins as a file of another format."""
    other = rng.choice(list(whole_files().values()))
    length = rng.choice((4, 12, 32, 128))
    return bytearray(other[:length]) + data[rng.choice((0, length)) :]


def _repeated(data: bytearray, rng: random.Random) -> bytearray:
    start, end = sorted(rng.randrange(len(data)) for _ in range(2))
    return data[:end] + data[start:end] * rng.choice((1, 50)) + data[end:]


DAMAGES: dict[str, Callable[[bytearray, random.Random], bytearray]] = {
    "bits flipped": _flipped,
    "header changed": _flipped_header,
    "cut off": lambda data, rng: data[: rng.randrange(len(data))],
    "zero bytes": _with_zeros,
    "large numbers": _with_large_numbers,
    "header swapped": _swapped,
    "parts repeated": _repeated,
    "something lost": lambda data, rng: data[: (start := rng.randrange(len(data)))] + data[start + rng.choice((1, 4, 100)) :],
    "noise behind": lambda data, rng: data[: rng.randrange(len(data))] + bytearray(rng.randbytes(500)),
}


def _with_checksums(data: bytearray) -> bytearray:
    """A PNG whose chunks have the checksums that fit them."""
    start = len(_PNG)
    while start + 12 <= len(data):
        end = start + 8 + int.from_bytes(data[start : start + 4])
        if end + 4 > len(data):
            break
        data[end : end + 4] = zlib.crc32(data[start + 4 : end]).to_bytes(4)
        start = end + 4
    return data


def _verdict(data: bytes) -> str:
    """`good` for a picture of the size that its header says, `bad` for what is refused."""
    try:
        width_and_height = read_info(data).size
        picture = decode(data)
    except UnreadableError:
        return "bad"
    return "good" if picture.mode == "RGB" and picture.size == width_and_height else f"{picture.size} instead of {width_and_height}"


def main() -> None:
    words = sys.argv[1:]
    numbers = range(*map(int, words)) if len(words) == 2 else range(1)
    for number in numbers:
        name, data = damaged(number) if len(words) == 2 else (words[0], Path(words[0]).read_bytes())
        start = time.process_time()
        verdict = _verdict(data)
        print(number, name, verdict, f"{time.process_time() - start:.3f}", sep="\t", flush=True)
    status = Path("/proc/self/status").read_text(encoding="ascii")  # what getrusage says may be what the parent took
    print(int(status.partition("VmHWM:")[2].split()[0]) // 1024)


if __name__ == "__main__":
    main()
