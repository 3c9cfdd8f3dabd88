"""Formats: the number that every lasting file carries, and how a file of an earlier number is read.

A file without a number has number 1: the first release wrote none. A reader ignores what it does not know in a file of its
own number, so a new field needs no new number; a field that changes its meaning, or that readers can't do without, does.
"""

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from darkroom.system.errors import InputError

KEY = "format"

Values = dict[str, Any]
Record = TypeVar("Record")


@dataclasses.dataclass(frozen=True)
class Format:
    """The format of one kind of lasting file.

    Attributes:
        noun: What such a file is called in messages.
        migrations: The first makes values of number 2 from those of number 1, the next those of number 3, and so on.
    """

    noun: str
    migrations: tuple[Callable[[Values], Values], ...] = ()

    @property
    def number(self) -> int:
        """The number that is written now."""
        return len(self.migrations) + 1

    def stamp(self, values: Mapping[str, Any]) -> Values:
        """The values with the number, ready to be written."""
        return {KEY: self.number, **values}

    def upgrade(self, values: Any, path: Path) -> Values:
        """Values that were read, as the number of now has them, without the number.

        Args:
            values: A dictionary, as it is in the file.
            path: The file, for messages.

        Raises:
            InputError: A later version of Darkroom wrote the file.
            ValueError: The values are no dictionary, or their number is none.
        """
        if not isinstance(values, dict):
            raise ValueError(f"{path} holds no {self.noun}")
        number = values.get(KEY, 1)
        if type(number) is not int or number < 1:
            raise ValueError(f"{path} has the format {number!r}, which is no number from 1")
        if number > self.number:
            raise InputError(
                f"{path} is written in format {number} of a {self.noun}, and this version of Darkroom reads formats up to "
                f"{self.number}: install a newer version of Darkroom"
            )
        for migrate in self.migrations[number - 1 :]:
            values = migrate(values)
        return {name: value for name, value in values.items() if name != KEY}


def record_from(kind: type[Record], values: Mapping[str, Any]) -> Record:
    """Makes a dataclass from values by name; names that it does not know are ignored."""
    known = {field.name for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    return kind(**{name: value for name, value in values.items() if name in known})
