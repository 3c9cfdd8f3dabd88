"""What a cell says, whatever the file's format: a text, or nothing where it is empty or a word for a missing value."""

import re
import unicodedata

import numpy as np
import numpy.typing as npt

from components.ingest.listing import first_few
from darkroom.system.errors import InputError

Integers = npt.NDArray[np.int64]
NAN_WORDS = frozenset(("nan", "-nan", "<na>", "#n/a", "#na", "nat"))  # what programs write for a missing value, and nobody else
MISSING_WORDS = NAN_WORDS | {"na", "n/a", "null", "none"}  # the others may be labels, too
TRUE, FALSE = frozenset(("1", "true", "yes")), frozenset(("0", "false", "no"))
_WHOLE = re.compile(r"(-?(?:0|[1-9][0-9]*))[.,]0+")


def plain(cell: str) -> str:
    """A label or a group in one form: Unicode's NFC, and whole numbers without decimals (`1.0` and `1,0` are `1`)."""
    text = unicodedata.normalize("NFC", cell)
    match = _WHOLE.fullmatch(text)
    return str(int(match[1])) if match else text


def is_missing(cell: str) -> bool:
    """Whether a cell is empty or a word for a missing value, in any case."""
    return not cell or cell.casefold() in MISSING_WORDS


def missing_labels(table: str, column: str, cells: set[str], reading: str) -> set[str]:
    """The words of a column of labels that stand for no label.

    Args:
        table: The table's name, for the message.
        column: The column's.
        cells: The words that occur in it.
        reading: `missing`, `label`, or `auto`: what is written for a missing value only is none, the other words are refused.

    Raises:
        InputError: A word may be a label or not.
    """
    if reading == "label":
        return set()
    unclear = sorted(cell for cell in cells if cell and is_missing(cell) and cell.casefold() not in NAN_WORDS)
    if unclear and reading == "auto":
        raise InputError(
            f"{table} has {first_few(list(map(repr, unclear)))} in column {column!r}, which may be a label or say that there is none: "
            "set ingest.missing_words to label or to missing"
        )
    return {cell for cell in cells if cell and is_missing(cell)}
