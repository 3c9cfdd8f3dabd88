"""Names that are too long for where they stand."""

import pytest

from darkroom.short_names import shortened


@pytest.mark.parametrize(
    ("length", "shown"),
    [(14, "ancient…anchor"), (13, "ancien…anchor"), (21, "ancient golden anchor"), (20, "ancient go…en anchor"), (3, "a…r")],
)
def test_beginning_and_end_stay(length: int, shown: str) -> None:
    assert shortened("ancient golden anchor", length) == shown
    assert len(shown) <= length
