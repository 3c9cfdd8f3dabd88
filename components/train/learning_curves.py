"""Learning curves: loss and quality by epoch, with the epoch that was kept; beside them the sheet of corrections."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.ticker import MaxNLocator
from PIL import Image

from darkroom.artifacts import CORRECTIONS
from darkroom.drawing import MUTED, PALETTE, drawing
from darkroom.system.files import whole
from darkroom.training.range_test import RangeTest

_LOSSES = {"train_loss": "training", "validation_loss": "validation"}
_MEASURES = ("accuracy", "balanced_accuracy", "f1_macro")  # with the one that chooses the epoch


def draw(
    folder: Path,
    history: Sequence[Mapping[str, float]],
    kept_epoch: int,
    monitor: str,
    tests: Sequence[RangeTest] = (),
    sheet: Image.Image | None = None,
) -> None:
    """Writes `loss.png`, where there are validation images `measures.png`, for a range test `learning_rate.png`, and the sheet.

    Args:
        folder: Where the pictures are written.
        history: A row an epoch.
        kept_epoch: The epoch whose weights the model has, from 1.
        monitor: The measure that chooses the epoch.
        tests: The range test that found the learning rate, or none.
        sheet: What corrections do to images, or none, see `darkroom.artifacts.CORRECTIONS`.
    """
    names = dict.fromkeys([*_MEASURES, monitor])
    measures = {f"validation_{name}": name for name in names if not name.endswith("loss")}
    with whole(folder) as draft:
        draft.mkdir()
        if sheet:
            sheet.save(draft / CORRECTIONS)
        _line_chart(draft / "loss.png", "Loss", history, _LOSSES, kept_epoch)
        for test in tests:
            _range_chart(draft / "learning_rate.png", test)
        if any(name in row for row in history for name in measures):
            _line_chart(draft / "measures.png", "On the validation images", history, measures, kept_epoch)


def _range_chart(path: Path, test: RangeTest) -> None:
    with drawing(path, 5.2, 3.2) as (axes,):
        axes.axvline(test.rate, color=MUTED, linewidth=1, linestyle=(0, (4, 4)), label=f"found: {test.rate:.2g}")
        axes.plot(test.rates, test.losses, color=PALETTE[0], linewidth=1.6, label="training loss, smoothed")
        axes.set(title="Range test", xlabel="learning rate", xscale="log")
        axes.xaxis.set_major_formatter("{x:g}")
        axes.grid(axis="y")
        axes.figure.legend(loc="outside lower center", ncols=2, labelcolor=MUTED)


def _line_chart(path: Path, title: str, history: Sequence[Mapping[str, float]], names: Mapping[str, str], kept_epoch: int) -> None:
    """A curve for each of the columns that has a value; a single epoch is a dot."""
    with drawing(path, 5.2, 3.2) as (axes,):
        axes.axvline(kept_epoch, color=MUTED, linewidth=1, linestyle=(0, (4, 4)), label=f"kept: epoch {kept_epoch}")
        for colour, (column, name) in zip(PALETTE, names.items(), strict=False):
            if points := [(row["epoch"], row[column]) for row in history if column in row]:
                axes.plot(*zip(*points, strict=True), ".-", color=colour, linewidth=1.6, markersize=5, label=name.replace("_", " "))
        axes.set(title=title, xlabel="epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(axis="y")
        axes.figure.legend(loc="outside lower center", ncols=2, labelcolor=MUTED)
