"""What a cell says, whatever the file's format: a text, or nothing where it is empty or a word for a missing value."""

import re
import unicodedata
from collections.abc import Collection

import numpy as np
import numpy.typing as npt

from components.ingest.listing import first_few
from darkroom.system.errors import InputError

Integers = npt.NDArray[np.int64]
NAN_WORDS = frozenset(("nan", "-nan", "<na>", "#n/a", "#na", "nat"))  # what programs write for a missing value, and nobody else
MISSING_WORDS = NAN_WORDS | {"na", "n/a", "null", "none", "-", "--"}  # the others may be labels, too
NO_ANSWER = frozenset(  # in a column of labels; in one of 0 and 1 it is uncertain
    ("?", "??", "???", "n.a.", "nil", "(null)", "undefined", "unlabeled", "unlabelled", "not labeled", "not labelled", "no label")
)
LETTERS = {
    "y": frozenset(("y", "n", "yes", "no")),
    "t": frozenset(("t", "f", "true", "false")),
    "x": frozenset(("x",)),
}  # with what they stand
TRUE, FALSE = frozenset(("1", "true", "yes", *LETTERS)), frozenset(("0", "false", "no", "n", "f"))
WHOLE = frozenset(("1", "true", "yes", "0", "false", "no"))  # words that mean yes and no alone
_WHOLE = re.compile(r"(-?(?:0|[1-9][0-9]*))(?:[.]0+|,0{1,2}|,0{4,})")  # `1,000` may be a thousand


def plain(cell: str) -> str:
    """A label or a group in one form: Unicode's NFC, and whole numbers without decimals (`1.0` and `1,0` are `1`)."""
    text = unicodedata.normalize("NFC", cell)
    match = _WHOLE.fullmatch(text)
    return str(int(match[1])) if match else text


def in_one_form(column: str, rows: list[tuple[str, ...]]) -> tuple[list[tuple[str, ...]], list[str]]:
    """Labels in one form each: Unicode's NFC; and where all are numbers, whole ones without decimals.

    Args:
        column: The column's name, for the sentences.
        rows: The labels of each cell.

    Returns:
        The labels of each cell in one form, each once; and sentences about labels that are one now, or differ by zeros only.
    """
    written = sorted({label for row in rows for label in row})
    are_numbers = all(re.fullmatch(r"-?[0-9]+([.,][0-9]+)?", label) for label in written)
    forms = {label: plain(label) if are_numbers else unicodedata.normalize("NFC", label) for label in written}
    same: dict[str, list[str]] = {}
    for label in written:
        same.setdefault(forms[label], []).append(repr(label))
    folded = [f"{', '.join(labels)} (now {form!r})" for form, labels in same.items() if len(labels) > 1]
    notes = [f"written in several ways in column {column!r}, each one label: {first_few(folded)}"] if folded else []
    padded = [form for form in forms.values() if are_numbers and form.lstrip("0") and form.lstrip("0") != form]
    if both := sorted(form for form in padded if form.lstrip("0") in same):
        notes.append(f"{both[0]!r} and {both[0].lstrip('0')!r} in column {column!r} are two labels: correct the table if they are one")
    return [tuple(dict.fromkeys(forms[label] for label in row)) for row in rows], notes


def mean_yes_and_no(words: Collection[str]) -> bool:
    """Whether words, in lower case, may mean yes and no together.

    `y` stands with `n`, `yes` and `no`, `t` with `f`, and `x` alone; `f` without `t` may be a sex.

    Args:
        words: Those of `TRUE` and `FALSE` that a column holds.
    """
    letters = set(words) - WHOLE
    return letters <= {"n"} or any(letter in words and set(words) <= together for letter, together in LETTERS.items())


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
    answers = frozenset(("-", "--", "---")) if cells & {"+", "++", "+++"} else frozenset()  # of a test: positive and negative
    missing = {cell for cell in cells - answers if cell and (is_missing(cell) or cell.casefold() in NO_ANSWER)}
    unclear = sorted(cell for cell in missing if cell.casefold() not in NAN_WORDS)
    if unclear and reading == "auto":
        raise InputError(
            f"{table} has {first_few(list(map(repr, unclear)))} in column {column!r}, which may be a label or say that there is none: "
            "set ingest.missing_words to label or to missing"
        )
    return missing
