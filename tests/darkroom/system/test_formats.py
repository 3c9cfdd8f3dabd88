import dataclasses
from pathlib import Path
from typing import Any

import pytest

from darkroom.system.errors import InputError
from darkroom.system.formats import Format, record_from

FILE = Path("thing.json")


def _in_metres(values: dict[str, Any]) -> dict[str, Any]:
    return {**values, "height_m": values["height_cm"] / 100}


def _with_colour(values: dict[str, Any]) -> dict[str, Any]:
    return {"colour": "grey", **values}


THING = Format("thing", (_in_metres, _with_colour))


def test_what_is_stamped_is_read_back_as_it_was() -> None:
    values = {"height_m": 1.5, "colour": "red"}
    assert THING.stamp(values) == {"format": 3, **values}
    assert THING.upgrade(THING.stamp(values), FILE) == values


@pytest.mark.parametrize(
    ("stored", "read"),
    [
        ({"height_cm": 150}, {"height_cm": 150, "height_m": 1.5, "colour": "grey"}),
        ({"format": 1, "height_cm": 150}, {"height_cm": 150, "height_m": 1.5, "colour": "grey"}),
        ({"format": 2, "height_m": 2.0}, {"height_m": 2.0, "colour": "grey"}),
        ({"format": 3, "height_m": 2.0, "colour": "red", "smell": "none"}, {"height_m": 2.0, "colour": "red", "smell": "none"}),
    ],
    ids=["no number", "1", "2", "3"],
)
def test_earlier_numbers_are_migrated_from_where_they_are(stored: dict[str, Any], read: dict[str, Any]) -> None:
    before = dict(stored)
    assert THING.upgrade(stored, FILE) == read
    assert stored == before


def test_a_later_number_is_the_users_to_mend() -> None:
    with pytest.raises(InputError, match=r"thing\.json .* format 4 .* up to 3: install a newer version"):
        THING.upgrade({"format": 4}, FILE)


@pytest.mark.parametrize("stored", [[], None, {"format": "2"}, {"format": 0}, {"format": True}, {"format": 1.0}])
def test_what_has_no_number_that_counts_is_refused(stored: Any) -> None:
    with pytest.raises(ValueError, match=r"thing\.json"):
        THING.upgrade(stored, FILE)


def test_a_record_ignores_names_that_it_does_not_know() -> None:
    @dataclasses.dataclass(frozen=True)
    class Point:
        x: int
        y: int = 0

    assert record_from(Point, {"x": 1, "z": 3}) == Point(1)
    with pytest.raises(TypeError):
        record_from(Point, {"y": 1})
