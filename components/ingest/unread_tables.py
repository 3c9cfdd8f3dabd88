"""Files that may hold a table of labels, of formats that are not read: whether they name files of the source."""

import io
import re
import zipfile
from collections.abc import Collection, Iterator

from components.ingest.archives import DAMAGE_ERRORS
from components.ingest.file_names import FileNames
from components.ingest.listing import IMAGE_SUFFIXES, first_few, has_image_suffix
from components.ingest.sources import Source
from components.ingest.tables import SPREADSHEETS
from darkroom.data_files import CVAT
from darkroom.system.errors import InputError

TEXTS = (".lst", ".list", ".dat", ".xml", ".yaml", ".yml", ".toml", ".arff")  # that may be anything else as well
PACKED = (".feather", ".arrow", ".orc", ".avro")  # tables whose texts can't be searched as they are
BINARIES = (
    *(".db", ".sqlite", ".sqlite3", ".dbf", ".dta", ".sav", ".rds", ".rdata"),
    *(".mat", ".npy", ".npz", ".pkl", ".pickle", ".h5", ".hdf5"),
)
UNREAD_TABLES = (*SPREADSHEETS, *TEXTS, *PACKED, *BINARIES)
_ENDING = re.compile("|".join(map(re.escape, sorted(IMAGE_SUFFIXES, key=len, reverse=True))), re.IGNORECASE)
_MAX_NAME = 255  # characters
_MAX_BYTES = 2**24  # of a file that is no text, which are searched


def check_unread(source: Source, paths: list[str], names: FileNames) -> tuple[list[InputError], list[str]]:
    """Errors about files of these formats that name files of the source, and sentences about the others.

    Args:
        source: The files.
        paths: Of those that may hold a table.
        names: Finds files by what a table calls them.
    """
    naming = [path for path in paths if path.lower().endswith(PACKED) or mention(_texts(source, path), path, names)]
    others = [path for path in paths if path not in naming and not path.lower().endswith(TEXTS)]
    errors = [InputError(f"{path} {_what(path)}, which is not read: {_remedy(path)}, or name it in ingest.ignore") for path in naming]
    return errors, [f"{first_few(others)} may hold a table, but is not read: save it as CSV"] if others else []


def _remedy(path: str) -> str:
    return f"call it {CVAT} if CVAT exported it, save it as CSV" if path.lower().endswith(".xml") else "save it as CSV"


def mention(texts: Collection[str], table: str, names: FileNames) -> bool:
    """Whether two whole names of images are among some texts.

    Args:
        texts: Of the table.
        table: Its path.
        names: Finds files by what a table calls them.
    """
    found: set[str] = set()
    for text in texts:
        if has_image_suffix(text.replace("\\", "/")):
            found.update(names.locate(text, table)[:1])
        if len(found) > 1:
            return True
    return False


def _what(path: str) -> str:
    lower = path.lower()
    if lower.endswith(PACKED):
        return f"is a table in the format {lower.rpartition('.')[2]}"
    return f"names files here, but is {'a spreadsheet' if lower.endswith(SPREADSHEETS) else 'a .' + lower.rpartition('.')[2]}"


def _texts(source: Source, path: str) -> list[str]:
    """The texts in a file that may be names of images, as far as they can be told without reading it as what it is."""
    data = next(iter(source.read([path]))).data
    if path.lower().endswith(TEXTS):
        text = data.decode("utf-8", "replace")
        return [*re.split(r"[\s,;|\"'<>=:\[\]{}()]+", text), *(part.strip() for part in re.split(r"[\n\t\"'<>|,;]", text))]
    if data[:2] == b"PK":
        return _cells(data)
    data = data[:_MAX_BYTES]
    texts = [part.decode("latin-1") for part in (data, data.replace(b"\0", b""))]  # the latter where a letter has two or four bytes
    texts += [data[start:].decode("utf-16-le", "replace") for start in (0, 1)]
    found = [name for text in texts for name in _names(text)]
    return [*found, *(name[1:] for name in found)]  # the byte in front, which may be its length, may look like a letter


def _names(text: str) -> Iterator[str]:
    """What looks like names of images in bytes that were read as text; nothing may stand between two of them."""
    end = 0
    for match in _ENDING.finditer(text):
        before = text[max(end, match.start() - _MAX_NAME) : match.start()]
        end = match.end()
        yield re.split(r"[^\w./\\ -]", before)[-1] + match[0]


def _cells(data: bytes) -> list[str]:
    """The texts of an OpenDocument or Office Open XML file; none of any other archive."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            parts = [name for name in archive.namelist() if name.endswith(".xml")]
            texts = [archive.open(name).read(2**26).decode("utf-8", "replace") for name in parts]
    except DAMAGE_ERRORS:
        return []
    return [cell for text in texts for cell in re.findall(r">([^<>]+)<", text)]
