"""Formats of pictures, films and scans that Darkroom does not decode, and how to make pictures of them that it does."""

import importlib.util
import re
from dataclasses import dataclass
from functools import cache

from darkroom.dicom_header import is_dicom
from darkroom.tiff_header import describe_tiff, is_raw, is_tiff

HEAD_BYTES = 4096  # so many tell a format


@dataclass(frozen=True)
class FileFormat:
    """A format that is not decoded.

    Attributes:
        name: What people call it, such as `HEIC`.
        remedy: What to do, as the end of a sentence.
        suffixes: Of its files, in lower case.
        starts: How its files may start.
        brands: Its brands, where it is an ISO media file.
        decoder: The module that decodes it, where one is installed.
    """

    name: str
    remedy: str
    suffixes: tuple[str, ...] = ()
    starts: tuple[bytes, ...] = ()
    brands: tuple[bytes, ...] = ()
    decoder: str = ""

    @property
    def is_decoded(self) -> bool:
        """Whether the module that decodes it is installed."""
        return bool(self.decoder) and is_installed(self.decoder)

    @property
    def slug(self) -> str:
        """Its name as part of a measure's name: lower case, digits and underscores."""
        return re.sub(r"\W+", "_", self.name.lower())

    def __str__(self) -> str:
        return f"{self.name}, a format that is not decoded: {self.remedy}"


@cache
def is_installed(module: str) -> bool:
    """Whether a module can be imported; it is not."""
    return importlib.util.find_spec(module) is not None


def _format(name: str, remedy: str, suffixes: str = "", *starts: bytes, brands: str = "", decoder: str = "") -> FileFormat:
    return FileFormat(name, remedy, tuple(suffixes.split()), starts, tuple(brand.ljust(4).encode() for brand in brands.split()), decoder)


HEIC = _format(
    "HEIC",
    "install Darkroom with the extra `heic` (`pip install 'darkroom[heic]'`), or convert it to JPEG or PNG",
    "heic heif heics heifs hif avci",
    brands="heic heix heim heis hevc hevx hevm hevs mif1 msf1 avci avcs",
    decoder="pi_heif",
)
RAW = _format(
    "camera RAW",
    "develop it to JPEG or TIFF, for example with darktable (`darktable-cli FILE FILE.jpg`)",
    "dng cr2 cr3 crw nef nrw arw srf sr2 orf rw2 rwl raf pef ptx srw x3f erf kdc dcr mrw mef mos iiq 3fr fff gpr raw",
    *(b"FUJIFILMCCD-RAW", b"IIRO", b"IIRS", b"MMOR", b"IIU\0", b"FOVb", b"\0MRM"),
    brands="crx",
)
DICOM = _format(
    "DICOM",
    "install Darkroom with the extra `dicom` (`pip install 'darkroom[dicom]'`), or convert it to PNG",
    "dcm dicom dic",
    decoder="pydicom",
)
VIDEO = _format(
    "video",
    "take pictures from it, for example with FFmpeg (`ffmpeg -i FILE -vf fps=1 frame-%04d.png`)",
    "mp4 m4v mov avi mkv webm mpg mpeg wmv flv 3gp 3g2 mts m2ts ogv mjpeg mjpg insv vob",
    *(b"\x1aE\xdf\xa3", b"FLV\x01", b"\0\0\x01\xba", b"\0\0\x01\xb3", b"0&\xb2u\x8ef\xcf\x11"),
    brands="isom iso2 iso4 iso5 iso6 mp41 mp42 avc1 qt M4V M4VP dash 3gp4 3gp5 3gp6 3g2a mmp4 XAVC MSNV f4v",
)
SLIDE = _format(
    "slide scan", "cut it into tiles, for example with libvips (`vips dzsave FILE tiles`)", "svs ndpi mrxs scn vms vmu bif svslide"
)
NIFTI = _format("NIfTI", "write its slices as PNG, for example with nibabel", "nii nii.gz")
SVG = _format("SVG", "draw it as PNG, for example with librsvg (`rsvg-convert FILE -o FILE.png`)", "svg svgz")
ARCHIVE = _format("archive", "unpack it into the folder of its class", "zip tar gz tgz bz2 xz 7z rar zst")
UNDECODED = (
    HEIC,
    RAW,
    DICOM,
    VIDEO,
    SLIDE,
    NIFTI,
    SVG,
    _format(
        "JPEG XL",
        "convert it to JPEG or PNG, for example with libjxl (`djxl FILE FILE.png`)",
        "jxl",
        *(b"\xff\x0a", b"\0\0\0\x0cJXL "),
    ),
    _format("JPEG XR", "convert it to JPEG or PNG, for example with jxrlib (`JxrDecApp -i FILE -o FILE.tif`)", "jxr wdp hdp", b"II\xbc"),
    _format("OpenEXR", "convert it to PNG, for example with ImageMagick (`magick FILE FILE.png`)", "exr", b"v/1\x01"),
    _format(
        "Radiance HDR", "convert it to PNG, for example with ImageMagick (`magick FILE FILE.png`)", "hdr rgbe", b"#?RADIANCE", b"#?RGBE"
    ),
    _format("BPG", "convert it to PNG, for example with libbpg (`bpgdec -o FILE.png FILE`)", "bpg", b"BPG\xfb"),
    _format("PDF", "draw its pages as PNG, for example with Poppler (`pdftoppm -png FILE page`)", "pdf", b"%PDF"),
    _format(
        "PostScript",
        "draw it as PNG, for example with Ghostscript (`gs -sDEVICE=png16m -o FILE.png FILE`)",
        "eps ps ai",
        *(b"%!PS", b"\xc5\xd0\xd3\xc6"),
    ),
    _format(
        "drawing",
        "export it as PNG from the program that made it",
        "psb xcf kra clip sketch afphoto afdesign indd cdr wmf emf icns",
        *(b"8BPS\0\x02", b"gimp xcf"),
    ),
    _format(
        "microscope image",
        "export it as PNG or TIFF, for example with Bio-Formats (`bfconvert FILE FILE.tiff`)",
        "czi lif nd2 oib oif vsi ims zvi lsm",
        b"ZISRAWFILE",
    ),
    _format("volume", "write its slices as PNG, for example with SimpleITK", "nrrd nhdr mha mhd mgz mnc", b"NRRD0"),
    _format("array", "write its pictures as PNG", "npy npz mat h5 hdf5 pt pkl pickle tfrecord tfrecords", b"\x93NUMPY", b"\x89HDF"),
    ARCHIVE,
    _format("Git LFS pointer", "it stands for the picture: fetch that with `git lfs pull`", "", b"version https://git-lfs"),
    _format("git-annex pointer", "it stands for the picture: fetch that with `git annex get`", "", b"/annex/objects/"),
)
_BY_SUFFIX = {suffix: known for known in UNDECODED for suffix in known.suffixes}
_BY_BRAND = {brand: known for known in UNDECODED for brand in known.brands}
_BY_START = {start: known for known in UNDECODED for start in known.starts}
_STARTS = tuple(_BY_START)
_KNOWN = {  # formats that are decoded, by how their files start
    "JPEG": (b"\xff\xd8\xff",),
    "PNG": (b"\x89PNG",),
    "GIF": (b"GIF8",),
    "BMP": (b"BM",),
    "WebP": (b"RIFF",),
    "JPEG 2000": (b"\0\0\0\x0cjP  ", b"\xff\x4f\xff\x51"),
    "Photoshop": (b"8BPS\0\x01",),
    "QOI": (b"qoif",),
    "DDS": (b"DDS ",),
    "icon": (b"\0\0\x01\0",),
}
_DECODED = tuple(start for starts in _KNOWN.values() for start in starts)


def can_be_decoded(pillow_name: str) -> bool:
    """Whether pictures of a format can be decoded with what is installed.

    Args:
        pillow_name: Pillow's name of a format that could be decoded once, with the extras of that time: `HEIF`, `DICOM`, `PNG` ...
    """
    extra = {"HEIF": HEIC, "DICOM": DICOM}.get(pillow_name)
    return extra is None or extra.is_decoded


def undecoded_format(path: str, data: bytes = b"") -> FileFormat | None:
    """The format of a file that holds a picture, a film or a scan which is not decoded, by its first bytes, else by its suffix.

    A file that a decoder is known for is judged by its bytes alone: a JPEG that is called `a.heic` is a JPEG.

    Args:
        path: Its path or name.
        data: Its first bytes, 4096 or more; without any its suffix alone counts.

    Returns:
        The format; none for a picture that can be decoded, and for a file of any other kind.
    """
    found = _undecoded(path, data)
    return None if found is None or found.is_decoded else found


def _undecoded(path: str, data: bytes) -> FileFormat | None:
    """As `undecoded_format`, of all formats that Pillow alone does not decode."""
    found = _by_content(data)
    if found or data.startswith(_DECODED) or _is_avif(data):
        return found
    by_suffix = _by_suffix(path)
    if is_tiff(data):
        return by_suffix if by_suffix in (RAW, SLIDE) else None  # what these hold first is a thumbnail
    return by_suffix


def _by_suffix(path: str) -> FileFormat | None:
    parts = path.rpartition("/")[2].lower().split(".")
    if len(parts) < 2 or not parts[0]:
        return None
    return _BY_SUFFIX.get(".".join(parts[-2:])) or _BY_SUFFIX.get(parts[-1])


def _by_content(data: bytes) -> FileFormat | None:
    head = data[:HEAD_BYTES]
    if head.startswith(_STARTS):
        return next(known for start, known in _BY_START.items() if head.startswith(start))
    if head[4:8] == b"ftyp":
        return _by_brand(head)
    if is_dicom(head):
        return DICOM
    if head.startswith(b"RIFF") and head[8:12] == b"AVI ":
        return VIDEO
    if is_tiff(data) and is_raw(data):
        return RAW
    if head[344:348] in (b"n+1\0", b"ni1\0"):
        return NIFTI
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    return SVG if text.startswith((b"<svg", b"<?xml", b"<!--", b"<!DOCTYPE svg")) and b"<svg" in head else None


def _by_brand(head: bytes) -> FileFormat | None:
    """The format of an ISO media file: by its main brand, or a general one, which HEIC and AVIF share, by the others."""
    size = min(int.from_bytes(head[:4], "big"), len(head))
    brands = [head[8:12], *(head[place : place + 4] for place in range(16, size, 4))]
    return None if _is_avif(head) else next((_BY_BRAND[brand] for brand in brands if brand in _BY_BRAND), None)


def _is_avif(data: bytes) -> bool:
    return data[4:8] == b"ftyp" and (b"avif" in data[8:64] or b"avis" in data[8:64])


def describe(data: bytes) -> str:
    """What a file is that no decoder opens, for a person: `a TIFF of 13 bands ...`, `a web page, not an image`."""
    if is_tiff(data):
        return describe_tiff(data)
    if (found := _by_content(data)) and found.is_decoded:
        return f"a {found.name} file that can't be opened: it is damaged or cut off, or of a kind that its decoder does not know"
    name = next((name for name, starts in _KNOWN.items() if data.startswith(starts)), "")
    if name:
        return f"a {name} file that can't be opened: it is damaged or cut off, or of a kind that Pillow does not know"
    if _is_avif(data):
        return "an AVIF file that can't be opened: it is damaged or cut off, or this Pillow is built without AVIF"
    text = data[:HEAD_BYTES].removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if text.startswith((b"<!doctype html", b"<html")):
        return "a web page, not an image: the download failed, fetch the file again"
    return "not an image"
