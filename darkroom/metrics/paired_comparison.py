"""Comparing: two models' answers on the images that both have seen, measure by measure and class by class."""

import dataclasses
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from darkroom.comparison import ClassChange, Comparison, Difference
from darkroom.evaluation import Predictions
from darkroom.metrics.intervals import resamples
from darkroom.metrics.measures import Floats, count, one_hot, scores
from darkroom.metrics.paired import bootstrap, fall, mcnemar, share_interval
from darkroom.metrics.ranking import ranking

SHOWN = ("accuracy", "balanced_accuracy", "f1_macro")  # beside the measure that decides
RANKING = ("roc_auc", "average_precision")
SHARES = ("accuracy", "f1_micro")  # shares of rightly answered images where each has one label
NUM_CLASSES = 40  # whose change is kept, the largest fall first


def compare(mine: Predictions, theirs: Predictions, measure: str, rival: str, *, num_resamples: int, seed: int) -> Comparison | None:
    """Compares a new model with another one.

    Both are judged by the new model's labels, because later labels mend earlier ones, and by its units.

    Args:
        mine: The new model's answers on its test images.
        theirs: The other's on its own; classes and task are the same, and at least one image.
        measure: What decides.
        rival: What the other model is called.
        num_resamples: Test sets that are drawn for intervals and p-values.
        seed: Decides which.

    Returns:
        The comparison, or nothing where the measure is not defined on the shared images.
    """
    known = set(theirs.image_ids)
    shared = [name for name in mine.image_ids if name in known]
    here = mine.at(shared)
    there = dataclasses.replace(theirs.at(shared), truth=here.truth)
    differences = _differences(here, there, dict.fromkeys((measure, *SHOWN)), num_resamples, seed)
    if measure not in differences:
        return None
    right, other = _right(here), _right(there)
    new = mine.at([name for name in mine.image_ids if name not in known])
    judged = new.measures()
    return Comparison(
        rival=rival,
        differences=tuple(differences.values()),
        classes=_changes(here, there),
        num_shared=len(shared),
        num_units=int(here.units.max()) + 1,
        num_won=int((right & ~other).sum()),
        num_lost=int((other & ~right).sum()),
        num_new=len(new),
        new={name: judged[name] for name in dict.fromkeys((measure, *SHOWN)) if name in judged},
    )


def _right(predictions: Predictions) -> npt.NDArray[np.bool_]:
    """Which images are answered rightly, all labels of them."""
    equal: npt.NDArray[np.bool_] = predictions.truth == predictions.predicted
    return np.all(equal, axis=1) if equal.ndim == 2 else equal


def _differences(mine: Predictions, theirs: Predictions, names: Mapping[str, None], num_resamples: int, seed: int) -> dict[str, Difference]:
    """McNemar's test for shares of independent images, resampled test sets for all else."""
    pairs = {
        name: (score, other)
        for name in names
        if (score := mine.measures().get(name)) is not None and (other := theirs.measures().get(name)) is not None
    }
    exact = mine.task != "multilabel" and int(mine.units.max()) + 1 == len(mine)
    drawn = _gains(mine, theirs, [name for name in pairs if not (exact and name in SHARES)], num_resamples, seed)
    found = {}
    for name, (score, other) in pairs.items():
        if len(mine) > 1 and mine.units.max() == 0:  # one group of images can't tell what another would
            found[name] = Difference(name, score, other, -1.0, 1.0, 1.0, "bootstrap")
        elif len(drawn.get(name, ())):
            found[name] = Difference(name, score, other, *bootstrap(drawn[name]), "bootstrap")
        elif name not in drawn:
            right, wrong = _right(mine), _right(theirs)
            won, lost, both = (int(part.sum()) for part in (right & ~wrong, wrong & ~right, right & wrong))
            limits = share_interval(won, lost, both, len(right))
            found[name] = Difference(name, score, other, *limits, mcnemar(won, lost), "mcnemar")
    return found


def _gains(mine: Predictions, theirs: Predictions, names: list[str], num_resamples: int, seed: int) -> dict[str, Floats]:
    """What the new model gains on each resampled test set on which both values are defined, `(S,)` a measure."""
    parts: dict[str, list[Floats]] = {name: [] for name in names}
    for weights in resamples(mine.units, num_resamples, seed) if names else ():
        first, second = _values(mine, weights, names), _values(theirs, weights, names)
        for name in names:
            parts[name].append(first[name] - second[name])
    gains = {name: np.concatenate(values) for name, values in parts.items()}
    return {name: values[np.isfinite(values)] for name, values in gains.items()}


def _values(predictions: Predictions, weights: Floats, names: list[str]) -> dict[str, Floats]:
    counted = scores(count(predictions.truth, predictions.predicted, len(predictions.classes), weights), predictions.task)
    return counted | {name: ranking(predictions, weights, name) for name in names if name in RANKING}


def _changes(mine: Predictions, theirs: Predictions) -> tuple[ClassChange, ...]:
    """Each class's recall in both models; a unit counts for whoever is right on more of its images."""
    meant = one_hot(mine.truth, len(mine.classes))
    found, other = (meant * one_hot(answers.predicted, len(mine.classes)) for answers in (mine, theirs))
    net = np.zeros((int(mine.units.max()) + 1, len(mine.classes)))
    np.add.at(net, mine.units, found - other)
    support = meant.sum(0)
    rows = [
        ClassChange(
            name,
            int(support[index]),
            float(found[:, index].sum() / support[index]),
            float(other[:, index].sum() / support[index]),
            fall(int((net[:, index] > 0).sum()), int((net[:, index] < 0).sum())),
        )
        for index, name in enumerate(mine.classes)
        if support[index]
    ]
    return tuple(sorted(rows, key=lambda row: (row.change, row.p_value, row.name))[:NUM_CLASSES])
