"""What all figures share: names in any alphabet, and files that depend on nothing but the drawing."""

from pathlib import Path

from PIL import Image

from darkroom.drawing import MAX_NAME, drawing, show_names
from darkroom.short_names import shortened

ODD = (
    "_hidden",
    "$5 and $6",
    "Кошка",
    "قطة",
    "猫",
    "a name that never seems to end, and doesn't",
    "new\nline",
    "\u0e41\u0e21\u0e27",
    "",
    "x" * 500,
)


def test_names_that_no_font_can_draw_are_shown_by_number() -> None:
    shown = show_names(("cat", "\U00013000\U00013001", "ok \U00013000"))
    assert shown == ["cat", "#2", "#3 ok"]


def test_names_are_cut_and_kept_on_one_line() -> None:
    shown = show_names(ODD)
    assert all(len(name) <= MAX_NAME + 1 and name.isprintable() for name in shown)
    assert shown[6] == "new line"
    assert shown[-1] == shortened(ODD[-1], MAX_NAME) != ODD[-1]


def test_pictures_carry_no_trace_of_when_or_by_what_they_were_made(tmp_path: Path) -> None:
    with drawing(tmp_path / "a.png", 2, 2) as (axes,):
        axes.plot([0, 1], [0, 1])
    with Image.open(tmp_path / "a.png") as picture:
        assert set(picture.info) == {"dpi"}
