"""Parts of a list: together they are the list, whatever their number."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from darkroom.part import Part, parts, read_part
from darkroom.system.errors import InputError


@settings(deadline=None)
@given(st.integers(0, 60), st.integers(1, 80))
def test_the_parts_are_the_list_in_its_order_and_of_equal_size(length: int, total: int) -> None:
    names = [f"{number:03d}" for number in range(length)]
    found = [part.of(names) for part in parts(total)]
    assert [name for part in found for name in part] == names
    sizes = [len(part) for part in found]
    assert max(sizes) - min(sizes) <= 1


def test_a_part_is_read_as_it_is_written() -> None:
    assert [str(part) for part in parts(3)] == ["1/3", "2/3", "3/3"]
    assert [read_part(str(part)) for part in parts(12)] == parts(12)
    assert read_part("2/4") == Part(2, 4)


@pytest.mark.parametrize("text", ["", "0/4", "5/4", "2", "2/0", "a/b", "-1/4", "1/4 ", "1.0/4"])
def test_what_is_no_part_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="give its number and how many there are, such as 2/4"):
        read_part(text)
