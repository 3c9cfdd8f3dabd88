"""How figures look: one palette, light ground, names in any alphabet."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ft2font import FT2Font

from darkroom.short_names import shortened

PALETTE = ("#2563eb", "#ea580c", "#059669", "#9333ea", "#dc2626", "#0891b2", "#ca8a04", "#db2777", "#4d7c0f", "#64748b")
BLUE, RED, INK, MUTED, GRID = PALETTE[0], "#dc2626", "#0f172a", "#64748b", "#e2e8f0"
BLUES = LinearSegmentedColormap.from_list("darkroom", ["#ffffff", "#dbeafe", "#93c5fd", "#2563eb", "#1e3a8a"])
MAX_NAME = 26  # characters of a class name that a figure shows

_FONT = "DejaVu Sans"  # comes with matplotlib: Latin, Greek, Cyrillic, Arabic and more
_FALLBACKS = (
    "Noto Sans CJK SC", "Noto Sans CJK JP", "Noto Sans CJK KR", "Source Han Sans SC", "WenQuanYi Zen Hei", "Microsoft YaHei",
    "PingFang SC", "Hiragino Sans", "Yu Gothic", "Malgun Gothic", "Noto Sans Devanagari", "Noto Sans Thai", "Noto Sans Hebrew",
    "Arial Unicode MS",
)  # fmt: skip
_RC: dict[Any, Any] = {
    "axes.axisbelow": True,
    "axes.edgecolor": GRID,
    "axes.grid": False,
    "axes.labelcolor": MUTED,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlecolor": INK,
    "axes.titlelocation": "left",
    "axes.titlepad": 10,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "figure.constrained_layout.h_pad": 0.12,  # inches
    "figure.constrained_layout.w_pad": 0.12,
    "figure.facecolor": "white",
    "font.size": 9,
    "grid.color": GRID,
    "legend.frameon": False,
    "text.color": INK,
    "text.parse_math": False,  # a class may be called $5
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
}


@contextmanager
def drawing(path: Path, width: float, height: float, num_rows: int = 1, num_columns: int = 1) -> Iterator[list[Axes]]:
    """Yields empty axes in reading order, and writes them to a PNG file, the same bytes for the same drawing.

    Args:
        path: The file.
        width: Of the figure, in inches of 110 pixels.
        height: As `width`.
        num_rows: Rows of axes.
        num_columns: Axes a row.
    """
    logging.getLogger("matplotlib").setLevel(logging.ERROR)  # it reports the fonts it looks for
    with matplotlib.rc_context({**_RC, "font.family": [_FONT, *_installed()]}):
        figure = Figure(figsize=(width, height), dpi=110, layout="constrained")
        canvas = FigureCanvasAgg(figure)
        yield list(figure.subplots(num_rows, num_columns, squeeze=False).ravel())
        if engine := figure.get_layout_engine():
            engine.execute(figure)
        figure.set_layout_engine("none")
        path.parent.mkdir(parents=True, exist_ok=True)
        # `savefig` would lay the figure out once more
        canvas.print_png(path, metadata={"Software": None})  # type: ignore[no-untyped-call]


def show_names(classes: Sequence[str]) -> list[str]:
    """Class names as figures show them.

    Names are shortened to `MAX_NAME` characters. A name in letters that no installed font has is shown by its number, from 1,
    with what can be drawn of it.
    """
    return [_show(number, name) for number, name in enumerate(classes, 1)]


def _show(number: int, name: str) -> str:
    flat = "".join(letter if letter.isprintable() else " " for letter in name)
    drawable = "".join(letter for letter in flat if ord(letter) in _letters())
    shown = drawable if drawable == flat else f"#{number} {drawable}".strip()
    shown = shortened(shown, MAX_NAME)
    return " " + shown if shown.startswith("_") else shown  # a leading underscore would hide it from legends


@cache
def _installed() -> tuple[str, ...]:
    names = {font.name for font in font_manager.fontManager.ttflist}
    return tuple(name for name in _FALLBACKS if name in names)


@cache
def _letters() -> frozenset[int]:
    paths = (font_manager.findfont(name) for name in (_FONT, *_installed()))
    return frozenset().union(*(FT2Font(path).get_charmap() for path in paths))
