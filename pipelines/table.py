"""Tables at the terminal: readable at 80 columns, and a line a row where a file or another program reads them."""

import re
import textwrap
from collections.abc import Collection, Sequence

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from pipelines.terminal import visible

_GAP = INDENT = "  "
MAX_CLAUSE = 60  # characters of a sentence in a file or a pipe
_NO_BREAK = "\u00a0"  # keeps a heading and the beginning of its value on one line


def print_table(
    headings: Sequence[str], rows: Sequence[Sequence[str]], console: Console | None = None, *, prose: Collection[str] = ()
) -> None:
    """Prints a table as `table_lines` lays it out for this terminal, file or pipe."""
    console = console or Console(highlight=False)
    lines = table_lines(headings, rows, console.width if console.is_terminal else None, prose)
    for number, line in enumerate(lines):
        console.print(Text(line, "" if number else "bold"), soft_wrap=True)


def table_lines(headings: Sequence[str], rows: Sequence[Sequence[str]], width: int | None = None, prose: Collection[str] = ()) -> list[str]:
    """Lays out a table.

    Args:
        headings: One a column; the columns that a reader looks for first come first.
        rows: The texts of the cells.
        width: Characters in a line. What does not fit beside the columns before it stands below its row, with its heading, and
            wraps; empty values are left out there. Without a width a row is one line, whatever its length.
        prose: Headings of columns of sentences; without a width the first clause stands for the sentence (`--json` has it whole).

    Returns:
        The line of headings, and one or more lines a row.
    """
    cells = [[visible(cell).replace("\n", " ") for cell in row] for row in rows]
    if width is None:
        cells = [[clause(cell) if heading in prose else cell for heading, cell in zip(headings, row, strict=True)] for row in cells]
    columns = list(zip(headings, *cells, strict=True))
    widths = [max(map(cell_len, column)) for column in columns]
    beside = len(columns) if width is None else _num_fitting(widths, width)
    right = [all(map(_is_number, column[1:])) for column in columns]
    lines = [_row(headings[:beside], widths, right)]
    for row in cells:
        lines.append(_row(row[:beside], widths, right))
        below = [f"{heading}:{_NO_BREAK}{cell}" for heading, cell in zip(headings[beside:], row[beside:], strict=True) if cell]
        lines += wrapped("; ".join(below), width or 0)
    return lines


def clause(text: str) -> str:
    """The first clause of a long text, without what stands in brackets after it, cut at a word if it is long itself; a path stays whole."""
    if len(text) <= MAX_CLAUSE or " " not in text:
        return text
    first = re.split(r"[;,:.] | \(", text)[0]
    return f"{first} ..." if len(first) <= MAX_CLAUSE else textwrap.shorten(first, MAX_CLAUSE, placeholder=" ...")


def wrapped(text: str, width: int, first: str = INDENT) -> list[str]:
    """The lines of a text, wrapped to a width; those after the first are indented as far as the first one's beginning is long."""
    indent = " " * cell_len(first)
    lines = textwrap.wrap(text, max(width, len(indent) + 20), initial_indent=first, subsequent_indent=indent, break_on_hyphens=False)
    return [line.replace(_NO_BREAK, " ") for line in lines]


def _num_fitting(widths: Sequence[int], width: int) -> int:
    """How many columns, from the left, fit side by side; at least one."""
    ends = [sum(widths[: number + 1]) + number * len(_GAP) for number in range(len(widths))]
    return max(1, sum(end <= width for end in ends))


def _row(cells: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> str:
    padded = []
    for cell, width, is_right in zip(cells, widths, right, strict=False):  # a row may have fewer cells than there are columns
        padding = " " * (width - cell_len(cell))
        padded.append(padding + cell if is_right else cell + padding)
    return _GAP.join(padded).rstrip()


def _is_number(text: str) -> bool:
    return text.replace(".", "", 1).replace("-", "", 1).isdecimal() or not text
