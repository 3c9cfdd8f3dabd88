"""The pictures of an evaluation, readable with two classes and with a hundred."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.ticker import PercentFormatter

from darkroom.drawing import BLUE, BLUES, GRID, INK, MUTED, PALETTE, RED, drawing, show_names
from darkroom.evaluation import Predictions, decisions, precision_recall_points, roc_points
from darkroom.metrics.calibration import NUM_BINS, Calibration
from darkroom.metrics.measures import Floats, Ints, count, one_hot

MAX_BARS = 40  # classes that a bar chart shows: the weakest
MAX_SQUARES = 24  # labels that get a little confusion matrix: the weakest
MAX_CURVES = 10
MAX_NUMBERS = 25  # classes up to which a confusion matrix shows its numbers
MAX_NAMES = 100  # names at the axes of a confusion matrix
_GRID = np.linspace(0, 1, 101)


def draw(folder: Path, predictions: Predictions, calibration: Calibration) -> None:
    """Writes every figure that fits the task into a folder."""
    if predictions.task == "multilabel":
        label_confusions(folder / "label_confusions.png", predictions)
    else:
        confusion_matrix(folder / "confusion_matrix.png", predictions)
    class_bars(folder / "classes.png", predictions)
    curves(folder / "curves.png", predictions)
    reliability(folder / "calibration.png", predictions, calibration)


def confusion_matrix(path: Path, predictions: Predictions) -> None:
    """Truth against answer; colour is the share of the true class, numbers are images."""
    number, names = len(predictions.classes), show_names(predictions.classes)
    matrix = np.zeros((number, number), np.int64)
    np.add.at(matrix, (predictions.y_true, predictions.y_pred), 1)
    shares = matrix / np.maximum(matrix.sum(1, keepdims=True), 1)
    side = float(np.clip(1.8 + 0.55 * number, 4.2, 17))
    with drawing(path, side + 1.2, side) as (axes,):
        picture = axes.imshow(shares, cmap=BLUES, norm=PowerNorm(1.0 if number <= MAX_NUMBERS else 0.5, 0, 1), interpolation="nearest")
        size = float(np.clip(260 / number, 5.2, 9))
        every = -(-number // MAX_NAMES)
        axes.set_xticks(range(0, number, every), names[::every], rotation=0 if number <= 3 else 90, fontsize=size)
        axes.set_yticks(range(0, number, every), names[::every], fontsize=size)
        axes.set(xlabel="predicted", ylabel="truth", title="Confusion matrix")
        axes.spines[:].set_visible(False)
        axes.set_xticks(np.arange(1, number) - 0.5, minor=True)
        axes.set_yticks(np.arange(1, number) - 0.5, minor=True)
        axes.grid(which="minor", color=GRID, linewidth=min(1.0, 12 / number))
        axes.tick_params(which="minor", length=0)
        if number <= MAX_NUMBERS:
            _write_numbers(axes, matrix, shares)
        bar = axes.figure.colorbar(picture, ax=axes, shrink=0.6, aspect=25, format=PercentFormatter(1.0))
        bar.outline.set_visible(False)
        bar.set_label("share of the true class")


def _write_numbers(axes: Axes, matrix: Ints, shares: Floats) -> None:
    size = float(np.clip(130 / len(matrix), 6, 10))
    for row, column in zip(*np.nonzero(matrix), strict=True):
        colour = "white" if shares[row, column] > 0.5 else INK
        axes.text(column, row, f"{matrix[row, column]:,}", ha="center", va="center", color=colour, fontsize=size)


def label_confusions(path: Path, predictions: Predictions) -> None:
    """For each label, how often it was there and how often it was given."""
    counts = count(predictions.y_true, predictions.y_pred, len(predictions.classes))
    shown, title = _weakest(counts.f1, counts.support + counts.predicted > 0, MAX_SQUARES, "labels")
    names = show_names(predictions.classes)
    columns = min(len(shown), 6)
    rows = -(-len(shown) // columns)
    with drawing(path, max(1.9 * columns, 4.0), 2.15 * rows + 0.4, rows, columns) as every:
        every[0].figure.suptitle(f"Confusion of each label {title}".strip(), x=0.01, ha="left", fontsize=11, fontweight="bold", color=INK)
        for axes in every[len(shown) :]:
            axes.set_axis_off()
        for axes, index in zip(every, shown, strict=False):
            hits, missed = counts.hits[index], counts.support[index] - counts.hits[index]
            wrong = counts.predicted[index] - counts.hits[index]
            right = counts.num_images[0] - hits - missed - wrong
            _square(axes, names[index], np.array([[right, wrong], [missed, hits]]).astype(np.int64))


def _square(axes: Axes, name: str, matrix: Ints) -> None:
    shares = matrix / np.maximum(matrix.sum(1, keepdims=True), 1)
    axes.imshow(shares, cmap=BLUES, vmin=0, vmax=1)
    axes.set_title(name, fontsize=8, pad=4)
    axes.set_xticks([0, 1], ["not given", "given"], fontsize=7)
    axes.set_yticks([0, 1], ["absent", "present"], fontsize=7, rotation=90, va="center")
    axes.spines[:].set_visible(False)
    _write_numbers(axes, matrix, shares)


def class_bars(path: Path, predictions: Predictions) -> None:
    """F1 of each class as a bar, best first, with precision, recall and the number of images."""
    counts = count(predictions.y_true, predictions.y_pred, len(predictions.classes))
    shown, title = _weakest(counts.f1, counts.support + counts.predicted > 0, MAX_BARS, "classes")
    names, places = show_names(predictions.classes), np.arange(len(shown))
    with drawing(path, 7.6, 1.3 + 0.27 * len(shown)) as (axes,):
        axes.barh(places, counts.f1[shown], height=0.62, color=BLUE, alpha=0.85, label="F1")
        axes.plot(counts.precision[shown], places, "|", color=PALETTE[1], markersize=9, markeredgewidth=2, label="precision")
        axes.plot(counts.recall[shown], places, "|", color=PALETTE[2], markersize=9, markeredgewidth=2, label="recall")
        for place, index in zip(places, shown, strict=True):
            text = f"{counts.f1[index]:.2f}   {_images(counts.support[index])}"
            axes.text(1.02, float(place), text, va="center", color=MUTED, fontsize=8)
        axes.set_yticks(places, [names[index] for index in shown])
        axes.set(xlim=(0, 1.01), ylim=(len(shown) - 0.4, -0.6), title=f"F1 of each class {title}".strip())
        axes.grid(axis="x")
        axes.spines[:].set_visible(False)
        axes.figure.legend(loc="outside lower center", ncols=3, labelcolor=MUTED)


def _images(number: float) -> str:
    return f"{number:,.0f} image{'' if number == 1 else 's'}"


def curves(path: Path, predictions: Predictions) -> None:
    """ROC and precision-recall curves: of the positive class, of each class, or the mean of many."""
    with drawing(path, 10.4, 4.6, 1, 2) as (roc, recall):
        roc.plot([0, 1], [0, 1], color=MUTED, linewidth=1, linestyle=(0, (4, 4)))
        y_true = one_hot(predictions.y_true, len(predictions.classes))
        both = np.flatnonzero((y_true.sum(0) > 0) & (y_true.sum(0) < len(y_true)))
        drawn = both[both == 1] if predictions.task == "binary" else both
        if len(drawn) > MAX_CURVES:
            _mean_curves(roc, recall, predictions, drawn)
        else:
            _each_curve(roc, recall, predictions, drawn)
        if predictions.task != "binary" and len(drawn):
            y_true_all, y_score_all = decisions(predictions)
            roc.plot(
                *roc_points(y_true_all, y_score_all)[:2],
                color=INK,
                linewidth=1.4,
                linestyle=(0, (1, 1)),
                label="all together",
            )
            recall.plot(*precision_recall_points(y_true_all, y_score_all), color=INK, linewidth=1.4, linestyle=(0, (1, 1)))
        roc.set(title="ROC curve", xlabel="false positive rate", ylabel="true positive rate")
        recall.set(title="Precision and recall", xlabel="recall", ylabel="precision")
        for axes in (roc, recall):
            axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.02), aspect="equal")
            axes.grid()
        if len(drawn):
            roc.figure.legend(loc="outside right upper", labelcolor=INK)
        else:
            roc.text(0.5, 0.5, "no curve: the test images\nare all of one kind", ha="center", va="center", color=MUTED)


def _each_curve(roc: Axes, recall: Axes, predictions: Predictions, drawn: Ints) -> None:
    y_true, names = one_hot(predictions.y_true, len(predictions.classes)), show_names(predictions.classes)
    for colour, index in zip(PALETTE, drawn, strict=False):
        pair = y_true[:, index], predictions.y_score[:, index].astype(np.float64)
        roc.plot(*roc_points(*pair)[:2], color=colour, linewidth=1.6, label=names[index])
        recall.plot(*precision_recall_points(*pair), color=colour, linewidth=1.6)


def _mean_curves(roc: Axes, recall: Axes, predictions: Predictions, drawn: Ints) -> None:
    y_true = one_hot(predictions.y_true, len(predictions.classes))
    pairs = [(y_true[:, index], predictions.y_score[:, index].astype(np.float64)) for index in drawn]
    risen = np.stack([np.interp(_GRID, *roc_points(*pair)[:2]) for pair in pairs])
    held = np.stack([np.interp(_GRID, *precision_recall_points(*pair)) for pair in pairs])
    for axes, values, label in ((roc, risen, f"mean of {len(drawn)} classes"), (recall, held, "")):
        low, high = np.quantile(values, [0.1, 0.9], axis=0)
        axes.fill_between(_GRID, low, high, color=BLUE, alpha=0.15, linewidth=0, label="80 % of the classes" if label else "")
        axes.plot(_GRID, values.mean(0), color=BLUE, linewidth=2, label=label)


def reliability(path: Path, predictions: Predictions, calibration: Calibration) -> None:
    """How often answers of a confidence come true, and how many there are."""
    filled = calibration.number > 0
    confidence, hit_rate = calibration.confidence[filled], calibration.hit_rate[filled]
    weight = np.sqrt(calibration.number[filled] / calibration.number.max())
    name = {"binary": "of the positive class", "multiclass": "of the likeliest class", "multilabel": "of a label"}[predictions.task]
    with drawing(path, 9.4, 4.4, 1, 2) as (axes, histogram):
        axes.plot([0, 1], [0, 1], color=MUTED, linewidth=1, linestyle=(0, (4, 4)), label="perfect")
        axes.vlines(confidence, hit_rate, confidence, color=RED, linewidth=2, alpha=0.35, label="gap")
        axes.plot(confidence, hit_rate, color=BLUE, linewidth=1.6, label="this model")
        axes.scatter(confidence, hit_rate, 15 + 90 * weight, color=BLUE, zorder=3)
        axes.set(
            title=f"Calibration (expected error {calibration.error:.3f})",
            ylabel="share that came true",
            ylim=(-0.03, 1.03),
        )
        histogram.bar((np.arange(NUM_BINS) + 0.5) / NUM_BINS, calibration.number, width=0.094, color=BLUE, alpha=0.85)
        histogram.set(title="How sure the answers are", ylabel="label decisions" if predictions.task == "multilabel" else "images")
        for each in (axes, histogram):
            each.set(xlim=(-0.03, 1.03), xlabel=f"probability {name}")
            each.grid(axis="y")
        axes.figure.legend(loc="outside lower center", ncols=3, labelcolor=INK)


def _weakest(values: Floats, where: np.ndarray[tuple[int, ...], np.dtype[np.bool_]], most: int, kind: str) -> tuple[Ints, str]:
    """Indices of the `most` lowest values, highest first, and words for the title where some are left out."""
    known = np.flatnonzero(where)
    ranked = known[np.argsort(-values[known], kind="stable")]
    return ranked[-most:], f"(the weakest {most} of {len(ranked)} {kind})" if len(ranked) > most else ""
