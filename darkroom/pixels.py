"""How an image file's bytes become pixels."""

import io
import struct
import warnings
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFile, UnidentifiedImageError

from darkroom import dicom
from darkroom.dicom_header import is_dicom
from darkroom.file_formats import DICOM, HEIC, describe, undecoded_format
from darkroom.preprocessing.corrections import corrected
from darkroom.preprocessing.recipe import Recipe
from darkroom.tiff_header import is_tiff

MAX_PIXELS = 100_000_000
MAX_PIXELS_BY_FORMAT = {"WEBP": 50_000_000, "AVIF": 40_000_000, "JPEG2000": 22_000_000}  # whose decoders need 17 to 40 bytes a pixel
_DEFLATE_RATIO = 1032  # no more bytes are packed into one
_STRIP_PIXELS = 250_000  # that the processor keeps at hand
_T = Image.Transpose
TRANSPOSITIONS = dict(  # by EXIF orientation
    enumerate((_T.FLIP_LEFT_RIGHT, _T.ROTATE_180, _T.FLIP_TOP_BOTTOM, _T.TRANSPOSE, _T.ROTATE_270, _T.TRANSVERSE, _T.ROTATE_90), 2)
)
_FILTERS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}
_JPEG = b"\xff\xd8\xff"
_STARTS = {_JPEG: "JPEG", b"\x89PNG\r\n\x1a\n": "PNG"}
REFUSED_FORMATS = {"EPS", "WMF", "MPEG", "BUFR", "GRIB", "HDF5", "IPTC", "ICNS"}  # need another program to be drawn, or hold no picture

Image.MAX_IMAGE_PIXELS = None  # `decode` applies its own limit before it decodes
ImageFile.LOAD_TRUNCATED_IMAGES = False
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")  # about odd EXIF data, which is not needed


class UnreadableError(Exception):
    """The bytes are not a complete image; the message is the reason."""


class UndecodedError(UnreadableError):
    """The bytes are of a format that is not decoded; the message names it and says what to do."""


class TooManyPixelsError(UnreadableError):
    """Decoding the image would take too much memory; found from its header."""


def decode(data: bytes, *, at_least_px: int = 0) -> Image.Image:
    """Decodes a file to an RGB picture, upright, transparency on white.

    Args:
        data: The file's bytes, in any format and mode that Pillow reads. Integers of more than 8 bits are scaled by
            the smallest power of two above the largest value, so 12-bit X-rays do not come out black; signed ones are
            raised by a power of two first.
        at_least_px: A JPEG may be decoded at a fraction of its size as long as both sides keep this many pixels;
            0 for the full size.

    Raises:
        TooManyPixelsError: The picture has more than 100 million pixels, or fewer of a format whose decoder needs more
            memory: decoding stays below 1 GB.
        UndecodedError: The format is not decoded.
        UnreadableError: The bytes are cut off or are no image.
    """
    try:
        picture, transposition = _loaded(data, at_least_px)
        return picture if transposition is None else picture.transpose(transposition)
    except UnreadableError:
        raise
    except Exception as error:  # Pillow's plug-ins raise nearly anything on bad bytes
        raise unreadable(error, data) from error


def _loaded(data: bytes, at_least_px: int) -> tuple[Image.Image, Image.Transpose | None]:
    """The picture as it is stored, in RGB, and how it is to be turned; by then nothing else of it is in memory."""
    if is_dicom(data) and DICOM.is_decoded:
        _refuse_bomb(*dicom.size(data), "DICOM")
        return dicom.decode(data).convert("RGB"), None
    with open_picture(data) as image:
        _refuse_bomb(*image.size, image.format)
        if image.format == "PNG" and image.width * image.height > 8 * _DEFLATE_RATIO * len(data):  # Pillow fills the rest with zeros
            raise UnreadableError(f"{len(data):,} bytes can't hold the {image.width:,} x {image.height:,} pixels of its header")
        transposition = None if image.format == "TIFF" else TRANSPOSITIONS.get(orientation_of(exif_of(image, data)) or 1)
        if at_least_px:
            image.draft(None, (at_least_px, at_least_px))
        size = image.size
        image.load()
        if image.format == "HEIF" and image.size != size:
            raise UnreadableError(f"it holds {image.width:,} x {image.height:,} pixels, but its header says {size[0]:,} x {size[1]:,}")
        return _rgb(image), transposition


def shrunk(picture: Image.Image, data: bytes, at_least_px: int) -> Image.Image:
    """A picture as `decode(data, at_least_px=...)` gives it, for those who have decoded it in full: only a large JPEG is decoded again.

    A JPEG that is decoded at a fraction of its size has other pixels than one that is averaged.

    Args:
        picture: What `decode(data)` gave.
        data: The file's bytes.
        at_least_px: See `decode`.

    Raises:
        UnreadableError: See `decode`.
    """
    is_smaller = data.startswith(_JPEG) and min(picture.size) >= 2 * at_least_px  # the condition of Pillow's `draft`
    return decode(data, at_least_px=at_least_px) if is_smaller else picture


def pixels(data: bytes, recipe: Recipe) -> npt.NDArray[np.uint8]:
    """Decodes a file, resizes it to a square and corrects it: the input of every network.

    Args:
        data: The file's bytes.
        recipe: Side, filter, how much of the picture is kept, and its corrections.

    Returns:
        `(side_px, side_px, 3) uint8`, RGB.

    Raises:
        UnreadableError: See `decode`.
    """
    return resized(decode(data, at_least_px=recipe.draft_px()), recipe)


def resized(picture: Image.Image, recipe: Recipe) -> npt.NDArray[np.uint8]:
    """A picture as `pixels` gives it, `(side_px, side_px, 3) uint8`, for those who decode it for more than that.

    Args:
        picture: What `decode(data, at_least_px=recipe.draft_px())` gave, or `shrunk`.
        recipe: See `pixels`.
    """
    size = recipe.size(*picture.size)
    if picture.size != size or recipe.center_crop:
        picture = picture.resize(size, _FILTERS[recipe.resampling], box=recipe.box(*picture.size))
    found = corrected(np.asarray(picture), recipe.corrections, recipe.fill)
    return _padded(found, recipe) if recipe.pad else found


def _padded(picture: npt.NDArray[np.uint8], recipe: Recipe) -> npt.NDArray[np.uint8]:
    """A picture in the middle of a square."""
    side, (height, width) = recipe.side_px, picture.shape[:2]
    square = np.full((side, side, 3), recipe.fill, np.uint8)
    upper, left = (side - height) // 2, (side - width) // 2
    square[upper : upper + height, left : left + width] = picture
    return square


def open_picture(data: bytes) -> Image.Image:
    """Opens a file of a format in which pictures come (reads the header alone); raises nearly anything on bad bytes."""
    if undecoded := undecoded_format("", data):  # Pillow would take a raw file's thumbnail for the picture
        raise UndecodedError(str(undecoded))
    if data.startswith(b"\0\0\1\0"):  # Pillow decodes an icon on opening
        _refuse_icon_bomb(data)
    first = next((name for start, name in _STARTS.items() if data.startswith(start)), "")
    return Image.open(io.BytesIO(data), formats=_formats(first))


@cache
def _formats(first: str) -> tuple[str, ...]:
    """The formats that Pillow tries, one after the other: to begin with the likely one saves a third of the time of a small JPEG."""
    Image.init()
    if HEIC.is_decoded:
        import pi_heif

        pi_heif.register_heif_opener()
    known = [name for name in Image.ID if name not in REFUSED_FORMATS]
    return tuple(sorted(known, key=lambda name: name != first))


def _refuse_bomb(width: int, height: int, kind: str | None = None) -> None:
    limit = MAX_PIXELS_BY_FORMAT.get(kind or "", MAX_PIXELS)
    if width * height > limit:
        of_kind = f" of {kind}" if kind in MAX_PIXELS_BY_FORMAT else ""
        raise TooManyPixelsError(f"{width:,} x {height:,} pixels are more than the {limit:,} that are decoded{of_kind}")


def _refuse_icon_bomb(data: bytes) -> None:
    """Checks the size of every picture in an icon, since its directory may state smaller ones."""
    for number in range(int.from_bytes(data[4:6], "little")):
        start = int.from_bytes(data[18 + 16 * number : 22 + 16 * number], "little")
        if data[start : start + 4] == b"\x89PNG":
            _refuse_bomb(*struct.unpack(">II", data[start + 16 : start + 24]))
        else:
            _refuse_bomb(*(abs(side) for side in struct.unpack("<ii", data[start + 4 : start + 12])))


def exif_of(image: Image.Image, data: bytes) -> Image.Exif:
    """The EXIF data, without decoding: the `getexif` of a PNG would decode it, as EXIF data may follow the pixels.

    Args:
        image: An opened file.
        data: The file's bytes.

    Returns:
        The data; empty where they are broken: the image itself is intact, and is used as it is stored.
    """
    if image.format == "PNG" and "exif" not in image.info and (start := data.rfind(b"eXIf")) >= 4:
        length = int.from_bytes(data[start - 4 : start])
        image.info["exif"] = b"Exif\0\0" + data[start + 4 : start + 4 + length]
    try:
        return Image.Image.getexif(image)
    except Exception:  # Pillow raises nearly anything on broken EXIF data
        return Image.Exif()


def orientation_of(exif: Image.Exif) -> int | None:
    """The orientation, 1 to 8; none where the EXIF data say none."""
    try:
        value = int(exif[0x0112])
    except Exception:  # as above
        return None
    return value if 1 <= value <= 8 else None


def _rgb(image: Image.Image) -> Image.Image:
    """A copy in RGB; what takes more than one conversion is done in strips, so that hardly more than picture and copy is in memory."""
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        convert = _eight_bits(image)
    elif image.has_transparency_data or image.mode in ("LA", "La", "PA", "RGBA", "RGBa"):
        convert = _on_white
    else:
        return image.convert("RGB")
    picture = Image.new("RGB", image.size)
    for box in _strips(image):
        picture.paste(convert(image.crop(box)), box)
    return picture


def _strips(image: Image.Image) -> Iterator[tuple[int, int, int, int]]:
    """Boxes of whole rows that cover a picture from its top to its bottom."""
    height = max(1, _STRIP_PIXELS // max(1, image.width))
    return ((0, top, image.width, min(top + height, image.height)) for top in range(0, image.height, height))


def _on_white(image: Image.Image) -> Image.Image:
    image = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")


def _eight_bits(image: Image.Image) -> Callable[[Image.Image], Image.Image]:
    """What makes grey ones of 8 bits from strips of a picture, as fits the values of all of it."""
    ranges = [_range(np.asarray(image.crop(box))) for box in _strips(image)]
    lowest, largest = min((low for low, _ in ranges), default=0.0), max((high for _, high in ranges), default=0.0)
    offset = 2.0 ** np.ceil(np.log2(-lowest)) if lowest < 0 else 0.0  # signed values, such as a CT's, keep their lower half
    whole_number = 2.0 ** max(8.0, np.ceil(np.log2(largest + offset + 1))) - 1
    full = 1.0 + offset if image.mode == "F" and largest <= 1 else whole_number

    def scaled(values: npt.NDArray[np.float64]) -> npt.NDArray[np.uint8]:
        return np.clip(np.rint((values + offset) * (255.0 / full)), 0, 255).astype(np.uint8)

    if image.mode in ("F", "I"):
        return lambda strip: Image.fromarray(scaled(_finite(np.asarray(strip))))
    table = scaled(np.arange(2.0**16))  # of all values that there are: much faster than computing with each pixel
    return lambda strip: Image.fromarray(table[np.asarray(strip)])


def _range(values: npt.NDArray[Any]) -> tuple[float, float]:
    """The lowest and the largest value, 0 among them."""
    known = _finite(values) if values.dtype.kind == "f" else values
    return float(known.min(initial=0)), float(known.max(initial=0))


def _finite(values: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """The values as float64, those that are no number as 0."""
    return np.nan_to_num(values.astype(np.float64), copy=False, posinf=0.0, neginf=0.0)


def unreadable(error: Exception, data: bytes) -> UnreadableError:
    """What is raised where Pillow has raised `error`, with a reason for a person."""
    if isinstance(error, UnidentifiedImageError):
        return UnreadableError(describe(data))
    reason = str(error) or type(error).__name__
    return UnreadableError(f"{describe(data)}; {reason}" if reason.startswith("decoder error") and is_tiff(data) else reason)
