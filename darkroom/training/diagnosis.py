"""Over- and underfitting: what a training's epochs, its training images and its floor say of it, with the numbers."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Literal

from darkroom.training.hyperparameters import LOWER_IS_BETTER

Verdict = Literal["overfits", "underfits", "unfinished", "fine", "unknown"]
GAP = 0.05  # a measure that is higher by less on training images than on others is no gap worth a word
RISE = 0.1  # by which share of its least value the validation loss has to rise
LATE = 0.75  # share of the epochs after which a gain is late
STANDARD_ERRORS = 2  # of the validation score, beyond which a difference is no chance


@dataclasses.dataclass(frozen=True)
class Case:
    """A training that has ended.

    Attributes:
        monitor: The measure that chose the epoch.
        history: A row an epoch, see `darkroom.training.trainer.Fitted`.
        kept_epoch: From 1.
        train: Measures of the model that was kept on training images as they are, by name: not augmented, not mixed, without dropout.
        constant: What the best constant answer reaches on these by `measure`; 0 where that is not known.
        error: Standard error of the monitored measure on the validation images; 0 where it is not known.
        num_validation: Validation images.
        floor: Measures of the floor on the validation images, by name; empty without one.
        is_stopped: Whether the training ended before its last epoch, as the measure had not improved for long.
    """

    monitor: str
    history: Sequence[Mapping[str, float]]
    kept_epoch: int
    train: Mapping[str, float]
    constant: float
    error: float
    num_validation: int
    floor: Mapping[str, float] = dataclasses.field(default_factory=dict)
    is_stopped: bool = False

    @property
    def measure(self) -> str:
        """What is compared: the monitored measure, or where less of that is better, F1; more of it is better, and 1 is the most."""
        return "f1_macro" if self.monitor in LOWER_IS_BETTER else self.monitor


@dataclasses.dataclass(frozen=True)
class Diagnosis:
    """What is said of a training.

    Attributes:
        verdict: `overfits`, `underfits`, `unfinished` (it was still improving when it ended), `fine` or `unknown`.
        evidence: A sentence for each of gap, trend and floor, with its numbers.
    """

    verdict: Verdict
    evidence: tuple[str, ...]


def diagnose(case: Case) -> Diagnosis:
    """Tells over- from underfitting.

    A training overfits where its validation loss has risen and its training images are answered better than others by more than
    chance, or by much. It is unfinished where its last quarter gained more than chance while its training images are not yet all answered.
    It underfits where these are answered hardly better than by a constant answer, or worse than the floor answers others, or not all of
    them and it falls below its floor.
    """
    scores = [row[f"validation_{case.measure}"] for row in case.history if f"validation_{case.measure}" in row]
    if not scores or len(scores) < len(case.history) or case.measure not in case.train:
        return Diagnosis("unknown", ("there are no validation images that a gap or a trend could be seen on",))
    known = _Known(case, scores)
    return Diagnosis(_verdict(known), tuple(filter(None, (_gap(known), _trend(known), _floor(known)))))


@dataclasses.dataclass(frozen=True)
class _Known:
    """A training with validation images, and the scores of its epochs."""

    case: Case
    scores: Sequence[float]

    @property
    def score(self) -> float:
        return self.scores[self.case.kept_epoch - 1]

    @property
    def error(self) -> float:
        """The standard error of the validation score: that of a share of so many images where the measure's own is not known."""
        return self.case.error or self._error_of(self.score)

    @property
    def noise(self) -> float:
        """What a difference of two validation scores may be by chance."""
        return STANDARD_ERRORS * self.error

    @property
    def gap_noise(self) -> float:
        """What the gap may be by chance: of the validation images, and of about as many training images."""
        return STANDARD_ERRORS * math.hypot(self.error, self._error_of(self.train))

    def _error_of(self, score: float) -> float:
        """The standard error of a share of so many images."""
        share = min(max(score, 0.0), 1.0)
        return math.sqrt(max(share * (1 - share), 1 / self.case.num_validation) / self.case.num_validation)

    @property
    def train(self) -> float:
        return self.case.train[self.case.measure]

    @property
    def fits(self) -> bool:
        """Whether nearly all that can be learnt from the training images is learnt."""
        return self.train >= 1 - GAP * (1 - self.case.constant)

    @property
    def has_learnt(self) -> bool:
        """Whether the training images are answered better than by a constant answer."""
        return self.train - self.case.constant >= GAP * (1 - self.case.constant)

    @property
    def gap(self) -> float:
        return self.train - self.score

    @property
    def losses(self) -> list[float]:
        return [row["validation_loss"] for row in self.case.history]

    @property
    def has_risen(self) -> bool:
        """Whether the validation loss has risen while the training loss fell."""
        least = self.losses.index(min(self.losses))
        train = [row["train_loss"] for row in self.case.history]
        return self.losses[-1] > (1 + RISE) * self.losses[least] and train[-1] < train[least]

    @property
    def late_gain(self) -> float:
        """By how much the epoch that was kept is better than the best before the last quarter; 0 with a single epoch."""
        before = self.scores[: max(1, int(LATE * len(self.scores)))]
        return self.score - max(before) if len(self.scores) > 1 else 0.0

    @property
    def floor(self) -> float | None:
        return self.case.floor.get(self.case.measure)


def _verdict(known: _Known) -> Verdict:
    if known.has_risen and known.gap > known.noise:
        return "overfits"
    if known.late_gain > known.noise and not known.fits and not known.case.is_stopped:
        return "unfinished"
    if known.floor is not None and known.train < known.floor:  # whatever the gap, it has yet to learn its own images
        return "underfits"
    if known.gap > max(GAP, known.gap_noise):
        return "overfits"
    is_below = known.floor is not None and known.floor - known.score > known.error
    if not known.has_learnt or (is_below and not known.fits):
        return "underfits"
    return "unknown" if known.gap > GAP else "fine"


def _gap(known: _Known) -> str:
    case = known.case
    own = f"on training images as they are, {case.measure} is {known.train:.4f}"
    measured = f"{own}, on the validation images {known.score:.4f}"
    compared = f"a gap of {known.gap:+.4f}, of which {known.gap_noise:.4f} may be chance with {case.num_validation:,} of these"
    return f"{measured}, {compared}" + ("" if known.has_learnt else f"; a constant answer reaches {case.constant:.4f} on the former")


def _trend(known: _Known) -> str:
    losses, number = known.losses, len(known.scores)
    if number == 1:
        return "one epoch shows no trend"
    least = losses.index(min(losses))
    if losses[-1] > (1 + RISE) * losses[least]:
        trend = f"the validation loss rose from {losses[least]:.4f} in epoch {least + 1} to {losses[-1]:.4f} in epoch {number}"
    else:
        trend = f"the validation loss was least in epoch {least + 1} of {number} ({losses[least]:.4f})"
    return f"{trend}; the last quarter of the epochs gained {known.late_gain:+.4f} of {known.case.measure}"


def _floor(known: _Known) -> str:
    if known.floor is None:
        return ""
    side = "above" if known.score > known.floor else "below" if known.score < known.floor else "at"
    return f"it is {side} its floor, whose {known.case.measure} on the validation images is {known.floor:.4f}"
