"""Parts of the work on a list: several tasks do one each, and the borders follow from the sorted list alone, before any work starts."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

from darkroom.system.errors import InputError
from darkroom.tracking.tags import VECTORS

Item = TypeVar("Item")


class Part(NamedTuple):
    """One of several parts, of equal size but for one item; with more parts than items some are empty.

    Attributes:
        number: Which one, from 1.
        total: How many there are.
    """

    number: int
    total: int

    def __str__(self) -> str:
        return f"{self.number}/{self.total}"

    def of(self, items: Sequence[Item]) -> Sequence[Item]:
        """The items of this part.

        Args:
            items: All of them, sorted.
        """
        start, end = (len(items) * border // self.total for border in (self.number - 1, self.number))
        return items[start:end]


def parts(total: int) -> list[Part]:
    """All parts, the first one first."""
    return [Part(number, total) for number in range(1, total + 1)]


def read_part(text: str) -> Part:
    """A part from its text, such as `2/4`.

    Raises:
        InputError: It has not that form.
    """
    match = re.fullmatch(r"([1-9][0-9]{0,3})/([1-9][0-9]{0,3})", text)
    if match is None or int(match[1]) > int(match[2]):
        raise InputError(f"the part is {text!r}: give its number and how many there are, such as 2/4")
    return Part(int(match[1]), int(match[2]))


def refuse_without_store(part: str, store: Path | None) -> None:
    """Raises `InputError` where a part is to be done for a store, and there is none."""
    if part and store is None:
        raise InputError(f"part {part} of the images is done for a store, and there is none: name its folder in {VECTORS}")
