"""Which mirrorings keep an image's label: measured on the training images, because names don't tell.

A mirrored photograph of rain shows rain; a mirrored 2 shows no digit. A small classifier learns from thumbnails of some
training images and judges the others as they are and mirrored. Where mirroring costs much of what it had learnt, for
all labels together or for any one of them, mirroring changes what the images mean.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.kernel_ridge import KernelRidge
from sklearn.metrics import roc_auc_score

Floats = npt.NDArray[np.float64]
AXES = {"horizontal_flip": 2, "vertical_flip": 1}
NUM_FOLDS = 4
MIN_IMAGES = 10  # of a label, and without it, for a ranking that means something
MIN_KEPT = 0.85  # of the skill over all labels; photographs keep 0.94 to 0.99, digits 0.53
MIN_KEPT_BY_LABEL = 0.5  # of the skill at each label: b and d are two letters of many
MIN_SKILL = 0.3  # below this, a label says nothing about mirroring


@dataclass(frozen=True)
class Mirroring:
    """How well labels are told apart, 0 (chance) to 1, for each label that could be judged.

    Attributes:
        plain: `(L,)` on images as they are.
        mirrored: `(L,)` on the same images mirrored.
    """

    plain: Floats
    mirrored: Floats

    @property
    def judged(self) -> bool:
        """Whether there is a label that the classifier learnt well enough to say something."""
        return bool((self.plain >= MIN_SKILL).any())

    @property
    def kept(self) -> float:
        """Share of the skill that mirroring leaves, over the labels that were learnt; 1 where none was."""
        return float(np.minimum(self.mirrored, self.plain)[self._learnt].sum() / self.plain[self._learnt].sum()) if self.judged else 1.0

    @property
    def keeps_labels(self) -> bool:
        """Whether neither all labels together nor any one of them lose too much; true where nothing was learnt."""
        ratios = self.mirrored[self._learnt] / self.plain[self._learnt]
        return self.kept >= MIN_KEPT and float(ratios.min(initial=1.0)) >= MIN_KEPT_BY_LABEL

    @property
    def _learnt(self) -> npt.NDArray[np.bool_]:
        return self.plain >= MIN_SKILL


def mirrorings(thumbnails: npt.NDArray[np.uint8], truth: npt.NDArray[np.int64]) -> dict[str, Mirroring]:
    """Judges held-out thumbnails as they are and mirrored, with kernel ridge regression on their pixels.

    Skill at a label is twice the area under its ROC curve minus one, floored at 0: it needs no threshold, and serves
    single-label and multi-label tasks alike.

    Args:
        thumbnails: `(N, S, S, 3) uint8`, in random order.
        truth: `(N, K)` of 0 and 1.

    Returns:
        A `Mirroring` for each name in `AXES`.
    """
    num = truth.sum(axis=0)
    truth = truth[:, (num >= MIN_IMAGES) & (len(truth) - num >= MIN_IMAGES)]
    if truth.shape[1] == 0:
        return {name: Mirroring(np.zeros(0), np.zeros(0)) for name in AXES}
    plain = _features(thumbnails)
    centre, spread = plain.mean(axis=0), plain.std() + 1e-9
    views = [(view - centre) / spread for view in (plain, *(_features(np.flip(thumbnails, axis)) for axis in AXES.values()))]
    scores = np.zeros((len(views), *truth.shape))
    for fold in range(NUM_FOLDS):
        held = np.arange(len(truth)) % NUM_FOLDS == fold
        model = KernelRidge(alpha=1.0, kernel="rbf", gamma=1.0 / plain.shape[1]).fit(views[0][~held], truth[~held])
        for view, score in zip(views, scores, strict=True):
            score[held] = model.predict(view[held])
    as_they_are, *mirrored = (_skill(truth, score) for score in scores)
    return {name: Mirroring(as_they_are, skill) for name, skill in zip(AXES, mirrored, strict=True)}


def _features(thumbnails: npt.NDArray[np.uint8]) -> Floats:
    return thumbnails.reshape(len(thumbnails), -1).astype(np.float64) / 255


def _skill(truth: npt.NDArray[np.int64], scores: Floats) -> Floats:
    areas = [roc_auc_score(truth[:, label], scores[:, label]) for label in range(truth.shape[1])]
    return np.maximum(2 * np.array(areas, dtype=np.float64) - 1, 0.0)
