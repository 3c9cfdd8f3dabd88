"""How an image file's bytes become pixels."""

import io
import struct
import warnings
from functools import cache

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFile, UnidentifiedImageError

from darkroom import dicom
from darkroom.file_formats import DICOM, HEIC, describe, undecoded_format
from darkroom.preprocessing.corrections import corrected
from darkroom.preprocessing.recipe import Recipe
from darkroom.tiff_header import is_tiff

MAX_PIXELS = 100_000_000
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


def size(data: bytes) -> tuple[int, int]:
    """Width and height in pixels as shown (EXIF orientation applied), from the header alone.

    Raises:
        UnreadableError: The bytes are no image that Pillow knows.
    """
    try:
        if dicom.is_dicom(data) and DICOM.is_decoded:
            return dicom.size(data)
        with _open(data) as image:
            width, height = image.size
            swapped = image.format != "TIFF" and _orientation(image, data) in (5, 6, 7, 8)  # Pillow turns a TIFF by itself
            return (height, width) if swapped else (width, height)
    except UnreadableError:
        raise
    except Exception as error:  # Pillow's plug-ins raise nearly anything on bad bytes
        raise UnreadableError(_reason(error, data)) from error


def decode(data: bytes, *, at_least_px: int = 0) -> Image.Image:
    """Decodes a file to an RGB picture, upright, transparency on white.

    Args:
        data: The file's bytes, in any format and mode that Pillow reads. Integers of more than 8 bits are scaled by
            the smallest power of two above the largest value, so 12-bit X-rays do not come out black; signed ones are
            raised by a power of two first.
        at_least_px: A JPEG may be decoded at a fraction of its size as long as both sides keep this many pixels;
            0 for the full size.

    Raises:
        TooManyPixelsError: The picture has more than 100 million pixels.
        UndecodedError: The format is not decoded.
        UnreadableError: The bytes are cut off or are no image.
    """
    try:
        if dicom.is_dicom(data) and DICOM.is_decoded:
            _refuse_bomb(*dicom.size(data))
            return dicom.decode(data).convert("RGB")
        with _open(data) as image:
            _refuse_bomb(*image.size)
            transposition = None if image.format == "TIFF" else TRANSPOSITIONS.get(_orientation(image, data))
            if at_least_px:
                image.draft(None, (at_least_px, at_least_px))
            image.load()
            return _rgb(image if transposition is None else image.transpose(transposition))
    except UnreadableError:
        raise
    except Exception as error:  # Pillow's plug-ins raise nearly anything on bad bytes
        raise UnreadableError(_reason(error, data)) from error


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


def _open(data: bytes) -> Image.Image:
    """Opens a file of a format in which pictures come (reads the header alone)."""
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


def _refuse_bomb(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise TooManyPixelsError(f"{width:,} x {height:,} pixels are more than the {MAX_PIXELS:,} that are decoded")


def _refuse_icon_bomb(data: bytes) -> None:
    """Checks the size of every picture in an icon, since its directory may state smaller ones."""
    for number in range(int.from_bytes(data[4:6], "little")):
        start = int.from_bytes(data[18 + 16 * number : 22 + 16 * number], "little")
        if data[start : start + 4] == b"\x89PNG":
            _refuse_bomb(*struct.unpack(">II", data[start + 16 : start + 24]))
        else:
            _refuse_bomb(*(abs(side) for side in struct.unpack("<ii", data[start + 4 : start + 12])))


def _orientation(image: Image.Image, data: bytes) -> int:
    """The EXIF orientation, without decoding: the `getexif` of a PNG would decode it, as EXIF data may follow the pixels."""
    if image.format == "PNG" and "exif" not in image.info and (start := data.rfind(b"eXIf")) >= 4:
        length = int.from_bytes(data[start - 4 : start])
        image.info["exif"] = b"Exif\0\0" + data[start + 4 : start + 4 + length]
    try:
        return int(Image.Image.getexif(image).get(0x0112, 1))
    except Exception:  # Pillow raises nearly anything on broken EXIF data; the image itself is intact, and is used as it is stored
        return 1


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        image = _eight_bits(image)
    if image.has_transparency_data or image.mode in ("LA", "La", "PA", "RGBA", "RGBa"):
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("RGB")


def _eight_bits(image: Image.Image) -> Image.Image:
    values = np.nan_to_num(np.asarray(image).astype(np.float64), posinf=0.0, neginf=0.0)
    lowest, largest = float(values.min(initial=0.0)), float(values.max(initial=0.0))
    offset = 2.0 ** np.ceil(np.log2(-lowest)) if lowest < 0 else 0.0  # signed values, such as a CT's, keep their lower half
    whole_number = 2.0 ** max(8.0, np.ceil(np.log2(largest + offset + 1))) - 1
    full = 1.0 + offset if image.mode == "F" and largest <= 1 else whole_number
    return Image.fromarray(np.clip(np.rint((values + offset) * (255.0 / full)), 0, 255).astype(np.uint8))


def _reason(error: Exception, data: bytes) -> str:
    if isinstance(error, UnidentifiedImageError):
        return describe(data)
    reason = str(error) or type(error).__name__
    return f"{describe(data)}; {reason}" if reason.startswith("decoder error") and is_tiff(data) else reason
