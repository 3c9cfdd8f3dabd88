"""Which mirrorings keep an image's label: measured on the training images, because the names of labels do not say it.

A mirrored photograph of rain shows rain; a mirrored 2 shows no digit. A small classifier learns from thumbnails of some
training images and is evaluated on the others as they are and mirrored. Where mirroring costs much of what it had learnt, for
all labels together or for any one of them, mirroring changes what the images mean.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.kernel_ridge import KernelRidge
from sklearn.metrics import roc_auc_score

Floats = npt.NDArray[np.float64]
AXES = {"horizontal_flip": 2, "vertical_flip": 1}
NUM_FOLDS = 4
MIN_IMAGES = 10  # of a label, and without it, for a ranking that means something


@dataclass(frozen=True)
class Limits:
    """What mirroring must keep, 0 to 1; the settings of `augment` that begin with `flip_`, see `AugmentConfig`."""

    min_skill: float
    min_kept: float
    min_kept_by_label: float


@dataclass(frozen=True)
class Mirroring:
    """How well labels are distinguished, 0 (chance) to 1, for each label with enough images.

    Attributes:
        plain: `(L,)` on images as they are.
        mirrored: `(L,)` on the same images mirrored.
        limits: What counts as learnt, and as kept.
    """

    plain: Floats
    mirrored: Floats
    limits: Limits

    @property
    def is_conclusive(self) -> bool:
        """Whether there is a label that the classifier learnt well enough to say something."""
        return bool(self._learnt.any())

    @property
    def kept(self) -> float:
        """Share of the skill that mirroring leaves, over the labels that were learnt; 1 where none was."""
        if not self.is_conclusive:
            return 1.0
        return float(np.minimum(self.mirrored, self.plain)[self._learnt].sum() / self.plain[self._learnt].sum())

    @property
    def keeps_labels(self) -> bool:
        """Whether neither all labels together nor any one of them lose too much; true where nothing was learnt."""
        ratios = self.mirrored[self._learnt] / self.plain[self._learnt]
        return self.kept >= self.limits.min_kept and float(ratios.min(initial=1.0)) >= self.limits.min_kept_by_label

    @property
    def _learnt(self) -> npt.NDArray[np.bool_]:
        return self.plain >= self.limits.min_skill


def mirrorings(thumbnails: npt.NDArray[np.uint8], y_true: npt.NDArray[np.int64], limits: Limits) -> dict[str, Mirroring]:
    """Evaluates held-out thumbnails as they are and mirrored, with kernel ridge regression on their pixels.

    Skill at a label is twice the area under its ROC curve minus one, floored at 0: it needs no threshold, and serves
    single-label and multi-label tasks alike.

    Args:
        thumbnails: `(N, S, S, 3) uint8`, in random order.
        y_true: `(N, K)` of 0 and 1.
        limits: What counts as learnt, and as kept.

    Returns:
        A `Mirroring` for each name in `AXES`.
    """
    num = y_true.sum(axis=0)
    y_true = y_true[:, (num >= MIN_IMAGES) & (len(y_true) - num >= MIN_IMAGES)]
    if y_true.shape[1] == 0:
        return {name: Mirroring(np.zeros(0), np.zeros(0), limits) for name in AXES}
    plain = _features(thumbnails)
    centre, spread = plain.mean(axis=0), plain.std() + 1e-9
    views = [(view - centre) / spread for view in (plain, *(_features(np.flip(thumbnails, axis)) for axis in AXES.values()))]
    scores = np.zeros((len(views), *y_true.shape))
    for fold in range(NUM_FOLDS):
        held = np.arange(len(y_true)) % NUM_FOLDS == fold
        model = KernelRidge(alpha=1.0, kernel="rbf", gamma=1.0 / plain.shape[1]).fit(views[0][~held], y_true[~held])
        for view, score in zip(views, scores, strict=True):
            score[held] = model.predict(view[held])
    as_they_are, *mirrored = (_skill(y_true, score) for score in scores)
    return {name: Mirroring(as_they_are, skill, limits) for name, skill in zip(AXES, mirrored, strict=True)}


def _features(thumbnails: npt.NDArray[np.uint8]) -> Floats:
    return thumbnails.reshape(len(thumbnails), -1).astype(np.float64) / 255


def _skill(y_true: npt.NDArray[np.int64], y_score: Floats) -> Floats:
    areas = [roc_auc_score(y_true[:, label], y_score[:, label]) for label in range(y_true.shape[1])]
    return np.maximum(2 * np.array(areas, dtype=np.float64) - 1, 0.0)


def kept_labels(measured: Mapping[str, Mirroring]) -> dict[str, bool]:
    """Whether each mirroring keeps labels, where that was learnt; arguments by the name of the mirroring."""
    return {name: one.keeps_labels for name, one in measured.items() if one.is_conclusive}
