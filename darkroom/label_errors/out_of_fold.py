"""Predictions of images by linear models that have not seen them, one a fold, from which errors in their labels are read."""

from dataclasses import dataclass
from functools import reduce
from operator import add

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar

from darkroom.folds import NO_FOLD
from darkroom.training.linear import Floats, fit_linear
from darkroom.units import Integers

_Exact = npt.NDArray[np.float64]
_REGULARIZATIONS = tuple(float(10 ** (half / 2)) for half in range(-3, 6))  # 0.03 to 300, of features of unit length
_MIN_LOG_SHARPNESS, _MAX_LOG_SHARPNESS = -2.0, 5.0  # ridge regressions are too unsure, networks can be too sure
_LEAST = 1e-6  # a probability is at least so much, so that log-odds are finite
_BATCH = 8_192


def out_of_fold(
    features: Floats, targets: Floats, folds: Integers, *, exclusive: bool, doubted: npt.NDArray[np.bool_] | None = None
) -> Floats:
    """Predicts each image by a ridge regression on the images of the other folds.

    Its regularization is the one whose predictions have the least squared error over all folds; the regression's outputs become
    probabilities by one factor (where each image has one label), or by a slope and an offset a label.

    Args:
        features: `(N, D) float32`.
        targets: `(N, K) float32` of 0 and 1.
        folds: `(N,) int64` of 0 and more; `NO_FOLD` where the labels are not known: these images are predicted from all others.
        exclusive: Every image has exactly one label.
        doubted: `(N,) bool`: images that nothing is learnt from, or none.

    Returns:
        `(N, K) float32`: probabilities, which add up to 1 if `exclusive`.

    Source: leave-out predictions by the Gram matrices of the folds, as in Hastie, Tibshirani, Friedman, "The Elements of
    Statistical Learning", 3.4.1.
    """
    members, known = [np.flatnonzero(folds == fold) for fold in np.unique(folds)], folds != NO_FOLD
    taught = known if doubted is None else known & ~doubted
    learnt = [rows[taught[rows]] for rows in members]
    moments = [reduce(add, (_Moments.of(features[part], targets[part]) for part in _parts(rows))) for rows in learnt]
    total = sum(moments[1:], moments[0])
    models = [_Ridge.of(total - one) for one in moments]
    errors = np.zeros(len(_REGULARIZATIONS))
    for model, rows in zip(models, learnt, strict=True):
        for part in _parts(rows):
            seen, truth = features[part], targets[part]
            errors += [np.square(model(seen, strength) - truth).sum(dtype=np.float64) for strength in _REGULARIZATIONS]
    best = _REGULARIZATIONS[int(np.argmin(errors))]
    outputs = np.empty(targets.shape, np.float32)
    for model, rows in zip(models, members, strict=True):
        for part in _parts(rows):
            outputs[part] = model(features[part], best)
    return calibrated(outputs, targets, known, exclusive=exclusive)


def _parts(rows: Integers) -> list[Integers]:
    """Rows by parts of at most so many, of which there is one at least: the features of all are not read at once."""
    return [rows[start : start + _BATCH] for start in range(0, max(1, len(rows)), _BATCH)]


def calibrated(outputs: Floats, targets: Floats, known: npt.NDArray[np.bool_], *, exclusive: bool) -> Floats:
    """Makes probabilities of models' outputs for images that they have not seen.

    Args:
        outputs: `(N, K) float32`.
        targets: `(N, K) float32` of 0 and 1.
        known: `(N,) bool`: the images whose targets count.
        exclusive: Every image has exactly one label.

    Returns:
        `(N, K) float32`, which add up to 1 if `exclusive`; never 0 or 1.
    """
    found = _softmax(outputs, targets, known) if exclusive else _sigmoids(outputs, targets, known)
    return np.clip(found, _LEAST, 1 - _LEAST)


@dataclass(frozen=True)
class _Moments:
    """Sums over examples, from which a ridge regression is solved."""

    number: float
    features: _Exact  # (D,)
    targets: _Exact  # (K,)
    products: _Exact  # (D, D)
    answers: _Exact  # (D, K)

    @classmethod
    def of(cls, features: Floats, targets: Floats) -> "_Moments":
        return cls(
            float(len(features)),
            features.sum(0, dtype=np.float64),
            targets.sum(0, dtype=np.float64),
            (features.T @ features).astype(np.float64),
            (features.T @ targets).astype(np.float64),
        )

    def __add__(self, other: "_Moments") -> "_Moments":
        return _Moments(
            self.number + other.number,
            self.features + other.features,
            self.targets + other.targets,
            self.products + other.products,
            self.answers + other.answers,
        )

    def __sub__(self, other: "_Moments") -> "_Moments":
        return _Moments(
            self.number - other.number,
            self.features - other.features,
            self.targets - other.targets,
            self.products - other.products,
            self.answers - other.answers,
        )


@dataclass(frozen=True)
class _Ridge:
    """Ridge regressions of all strengths, by the eigenvectors of the features' covariance."""

    mean: _Exact
    offset: _Exact
    directions: _Exact
    sizes: _Exact
    answers: _Exact

    @classmethod
    def of(cls, moments: _Moments) -> "_Ridge":
        number = max(moments.number, 1.0)
        mean, offset = moments.features / number, moments.targets / number
        sizes, directions = np.linalg.eigh(moments.products - number * np.outer(mean, mean))
        answers = directions.T @ (moments.answers - number * np.outer(mean, offset))
        return cls(mean, offset, directions, np.maximum(sizes, 0.0), answers)

    def __call__(self, features: Floats, strength: float) -> Floats:
        """The outputs, `(N, K) float32`."""
        weight = self.directions @ (self.answers / (self.sizes + strength)[:, None])
        found: Floats = features @ weight.astype(np.float32) + (self.offset - self.mean @ weight).astype(np.float32)
        return found


def _softmax(outputs: Floats, targets: Floats, known: npt.NDArray[np.bool_]) -> Floats:
    """Probabilities that are as sharp as fits the known labels best."""
    centred = outputs - outputs.max(1, keepdims=True)
    seen, given = centred[known], (centred * targets)[known].sum(1)

    def loss(log_sharpness: float) -> float:
        sharpness = np.float32(np.exp(log_sharpness))
        return float((np.log(np.exp(seen * sharpness).sum(1)) - sharpness * given).mean())

    shares = np.exp(
        centred * np.float32(np.exp(minimize_scalar(loss, bounds=(_MIN_LOG_SHARPNESS, _MAX_LOG_SHARPNESS), method="bounded").x))
    )
    probabilities: Floats = shares / shares.sum(1, keepdims=True)
    return probabilities


def _sigmoids(outputs: Floats, targets: Floats, known: npt.NDArray[np.bool_]) -> Floats:
    """Probabilities of each label for itself; its share where the outputs say nothing about it."""
    ones, columns = np.ones((int(known.sum()), 1), np.float32), list[Floats]()
    for column in range(outputs.shape[1]):
        seen, truth = outputs[:, [column]], targets[:, [column]]
        found = fit_linear(seen[known], truth[known], ones, "logistic", 1.0)
        told = 1 / (1 + np.exp(-found(seen))) if found.weight[0, 0] > 0 else np.full_like(seen, truth[known].mean())
        columns.append(told.astype(np.float32))
    return np.hstack(columns)
