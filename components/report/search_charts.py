"""Charts of a search: which settings the score varied with, and the trials as lines through their values."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from darkroom.drawing import BLUE, BLUES, GRID, INK, MUTED, RED, drawing, show_names
from darkroom.tuned import Trial, Tuned, setting_of

LOG_FROM = 20.0  # a setting whose largest value is so many times its smallest is drawn on a logarithmic axis
PALEST = 0.25  # of the palette, for the worst trial
_LABEL: dict[str, Any] = {
    "va": "center",
    "color": INK,
    "fontsize": 8,
    "zorder": 4,
    "bbox": {"facecolor": "white", "alpha": 0.7, "pad": 1, "linewidth": 0},
}
MAX_TICKS = 6  # different values of a setting up to which each is named at its axis


def draw(folder: Path, found: Tuned) -> None:
    """Writes `importances.png` and `parallel_coordinates.png`, each where the trials give something to show.

    Args:
        folder: Where the pictures are written.
        found: The result of a search.
    """
    if found.importances:
        _importances(folder / "importances.png", found.importances)
    trials = [trial for trial in found.trials if trial.settings and trial.score is not None]
    if len(trials) > 1:
        _parallel_coordinates(folder / "parallel_coordinates.png", trials, found)


def _importances(path: Path, importances: Mapping[str, float]) -> None:
    names, values = list(importances)[::-1], list(importances.values())[::-1]
    with drawing(path, 5.2, 1.4 + 0.3 * len(names)) as (axes,):
        bars = axes.barh([setting_of(name) for name in names], values, color=BLUE, height=0.6)
        axes.bar_label(bars, [f"{value:.0%}" for value in values], padding=4, color=MUTED)
        axes.set(title="What the score varied with", xlim=(0, 1.15 * max(values)), xticks=[])


def _parallel_coordinates(path: Path, trials: Sequence[Trial], found: Tuned) -> None:
    """A line a complete trial, darker where it is better, and dotted a pruned one; the best in a colour of its own."""
    names = sorted({name for trial in trials for name in trial.settings})
    axes_values = [[trial.settings.get(name) for trial in trials] for name in names] + [[trial.score for trial in trials]]
    with drawing(path, max(5.2, 1.5 * len(axes_values)), 3.4) as (axes,):
        heights = np.stack([_axis(axes, column, values) for column, values in enumerate(axes_values)], axis=1)
        ranks = {trial.number: place for place, trial in enumerate(reversed(found.in_order()))}
        for trial, line in zip(trials, heights, strict=True):
            shade = BLUES(PALEST + (1 - PALEST) * ranks[trial.number] / max(1, len(ranks) - 1))
            is_best = trial.number == found.best_trial
            style = ":" if trial.state == "pruned" else "-"
            axes.plot(line, style, color=RED if is_best else shade, linewidth=2.2 if is_best else 1.2, zorder=3 if is_best else 2)
        titles = [*map(setting_of, names), found.monitor.replace("_", " ")]
        axes.set(title=f"The trials, the best ({found.best_trial}) in red", xticks=range(len(titles)), ylim=(-0.06, 1.06), yticks=[])
        axes.set_xticklabels(titles)
        axes.margins(x=0.12)
        axes.spines[["left", "bottom"]].set_visible(False)


def _axis(axes: Axes, column: int, values: Sequence[Any]) -> np.ndarray[Any, Any]:
    """Draws a vertical axis with its values' names; gives the height of each value, 0 to 1."""
    axes.axvline(column, color=GRID, linewidth=1, zorder=1)
    different = _sorted(values)
    heights = _heights(different)
    named = range(len(different)) if len(different) <= MAX_TICKS else (0, len(different) - 1)
    texts = show_names([f"{value:.3g}" if isinstance(value, float) else str(value) for value in different])
    for place in named:
        axes.annotate(texts[place], (column, heights[place]), (5, 0), textcoords="offset points", **_LABEL)
    return np.array([heights[different.index(value)] for value in values])


def _sorted(values: Sequence[Any]) -> list[Any]:
    """Different values in their order: numbers by size, before texts."""
    return sorted(set(values), key=lambda value: (isinstance(value, str), value))


def _heights(different: Sequence[Any]) -> list[float]:
    """Places of different sorted values from 0 to 1: of numbers by their size, of others, or of both together, one after the other."""
    if len(different) == 1:
        return [0.5]
    if not all(isinstance(value, int | float) for value in different):
        return [float(place) for place in np.linspace(0, 1, len(different))]
    numbers = np.array(different, dtype=np.float64)
    if numbers[0] > 0 and numbers[-1] / numbers[0] >= LOG_FROM:
        numbers = np.log(numbers)
    return [float(place) for place in (numbers - numbers[0]) / (numbers[-1] - numbers[0])]
