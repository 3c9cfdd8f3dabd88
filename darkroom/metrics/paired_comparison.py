"""The paired comparison: a challenger and a champion on the images that both have answered, measure by measure and class by class.

One rule, for the gate of `register` and for `darkroom runs A B` alike: McNemar's exact test for shares of independent images, a
paired bootstrap over the groups of images for every other measure.
"""

import dataclasses
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from darkroom.comparison import ClassChange, Comparison, Difference
from darkroom.evaluation import Predictions
from darkroom.metrics.intervals import resampled
from darkroom.metrics.measures import Floats, one_hot
from darkroom.metrics.paired_tests import bootstrap_test, mcnemar, mcnemar_loss, share_interval

SHOWN = ("accuracy", "balanced_accuracy", "f1_macro")  # beside the measure that decides
SHARES = ("accuracy", "f1_micro")  # shares of rightly answered images where each has one label
NUM_CLASSES = 40  # whose change is kept, the largest fall first


def obstacle(challenger: Predictions, champion: Predictions, name: str) -> str:
    """Why two models can't be compared image by image; empty where they can.

    Args:
        challenger: One model's answers.
        champion: The other's.
        name: What the other is called, such as `version 3`.
    """
    if challenger.task != champion.task:
        return f"its task is {challenger.task}, that of {name} is {champion.task}"
    if challenger.classes != champion.classes:
        only = sorted(set(challenger.classes) ^ set(champion.classes))
        named = ", ".join(repr(label) for label in only[:5]) + (" and more" if len(only) > 5 else "")
        return f"its classes differ from those of {name} in {named or 'their order'}"
    return "" if set(challenger.image_ids) & set(champion.image_ids) else f"it shares no test image with {name}"


def shared_answers(challenger: Predictions, champion: Predictions) -> tuple[Predictions, Predictions]:
    """Both models' answers on the images that both have answered.

    Both get the challenger's labels, because later labels correct earlier ones, and its units of images, so that both are resampled alike.

    Args:
        challenger: The later model's answers; `obstacle` finds nothing against the comparison.
        champion: The earlier one's.
    """
    known = set(champion.image_ids)
    shared = challenger.at([name for name in challenger.image_ids if name in known])
    return shared, dataclasses.replace(champion.at(shared.image_ids), y_true=shared.y_true, units=shared.units)


def compare_models(
    challenger: Predictions, champion: Predictions, measure: str, champion_name: str, *, num_resamples: int, seed: int
) -> Comparison | None:
    """Compares a challenger with the champion.

    Args:
        challenger: The new model's answers on its test images.
        champion: The other's on its own; `obstacle` finds nothing against the comparison.
        measure: What decides.
        champion_name: What the other model is called.
        num_resamples: Test sets that are drawn for intervals and p-values.
        seed: Decides which.

    Returns:
        The comparison, or nothing where the measure is not defined on the shared images.
    """
    names = tuple(dict.fromkeys((measure, *SHOWN)))
    shared, champion_shared = shared_answers(challenger, champion)
    found = differences(shared, champion_shared, names, num_resamples=num_resamples, seed=seed)
    if measure not in found:
        return None
    num_won, num_lost, _ = _tally(shared, champion_shared)
    known = set(champion.image_ids)
    new = challenger.at([name for name in challenger.image_ids if name not in known])
    new_measures = new.measures()
    return Comparison(
        champion=champion_name,
        differences=tuple(found.values()),
        classes=_class_changes(shared, champion_shared),
        num_shared=len(shared),
        num_units=int(shared.units.max()) + 1,
        num_won=num_won,
        num_lost=num_lost,
        num_new=len(new),
        new={name: new_measures[name] for name in names if name in new_measures},
    )


def differences(
    challenger: Predictions, champion: Predictions, names: Iterable[str], *, num_resamples: int, seed: int
) -> dict[str, Difference]:
    """The challenger's gain in each measure, with its interval and p-value.

    Args:
        challenger: Answers on shared images, see `shared_answers`.
        champion: The other model's, of the same images in the same order, with the same labels.
        names: Measures; one that is not defined is left out.
        num_resamples: Test sets that are drawn for intervals and p-values.
        seed: Decides which.

    Source:
        Efron and Tibshirani 1993, An introduction to the bootstrap, sections 8.3 and 13.3: paired data.
    """
    scores, champion_scores = challenger.measures(), champion.measures()
    defined = [name for name in names if name in scores and name in champion_scores]
    exact = challenger.task != "multilabel" and int(challenger.units.max()) + 1 == len(challenger)
    drawn = _gains(challenger, champion, [name for name in defined if not (exact and name in SHARES)], num_resamples, seed)
    found = {}
    for name in defined:
        if len(challenger) > 1 and challenger.units.max() == 0:  # one group of images says nothing of how another would differ
            found[name] = Difference(name, scores[name], champion_scores[name], -1.0, 1.0, 1.0, "bootstrap")
        elif len(drawn.get(name, ())):
            found[name] = Difference(name, scores[name], champion_scores[name], *bootstrap_test(drawn[name]), "bootstrap")
        elif name not in drawn:
            num_won, num_lost, num_both = _tally(challenger, champion)
            limits = share_interval(num_won, num_lost, num_both, len(challenger))
            found[name] = Difference(name, scores[name], champion_scores[name], *limits, mcnemar(num_won, num_lost), "mcnemar")
    return found


def _is_right(predictions: Predictions) -> npt.NDArray[np.bool_]:
    """Which images are answered rightly, all labels of them."""
    equal: npt.NDArray[np.bool_] = predictions.y_true == predictions.y_pred
    return np.all(equal, axis=1) if equal.ndim == 2 else equal


def _tally(challenger: Predictions, champion: Predictions) -> tuple[int, int, int]:
    """Images that only the challenger answered rightly, that only the champion did, and that both did."""
    right, champion_right = _is_right(challenger), _is_right(champion)
    return int((right & ~champion_right).sum()), int((champion_right & ~right).sum()), int((right & champion_right).sum())


def _gains(challenger: Predictions, champion: Predictions, names: list[str], num_resamples: int, seed: int) -> dict[str, Floats]:
    """What the challenger gains on each resampled test set on which both values are defined, `(S,)` a measure."""
    scores, champion_scores = (resampled(model, names, num_resamples, seed) for model in (challenger, champion))
    gains = {name: scores[name] - champion_scores[name] for name in names}
    return {name: values[np.isfinite(values)] for name, values in gains.items()}


def _class_changes(challenger: Predictions, champion: Predictions) -> tuple[ClassChange, ...]:
    """Each class's recall in both models; a group of images counts for the model that is right on more of them."""
    y_true = one_hot(challenger.y_true, len(challenger.classes))
    hits, champion_hits = (y_true * one_hot(model.y_pred, len(challenger.classes)) for model in (challenger, champion))
    net = np.zeros((int(challenger.units.max()) + 1, len(challenger.classes)))
    np.add.at(net, challenger.units, hits - champion_hits)
    support = y_true.sum(0)
    rows = [
        ClassChange(
            name,
            int(support[index]),
            float(hits[:, index].sum() / support[index]),
            float(champion_hits[:, index].sum() / support[index]),
            mcnemar_loss(int((net[:, index] > 0).sum()), int((net[:, index] < 0).sum())),
        )
        for index, name in enumerate(challenger.classes)
        if support[index]
    ]
    return tuple(sorted(rows, key=lambda row: (row.change, row.p_value, row.name))[:NUM_CLASSES])
