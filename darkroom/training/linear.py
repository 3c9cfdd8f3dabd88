"""Linear models on feature vectors: convex losses, minimised for all outputs at once by L-BFGS."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

Floats = npt.NDArray[np.float32]
Loss = Literal["softmax", "logistic", "squared_hinge"]
MAX_ITERATIONS = 300, 100  # where sums are exact, and where vectors are many
MAX_EXACT = 4_000_000  # vectors times features, up to which sums are taken in float64
NUM_FOLDS = 3
MAX_CALIBRATED = 20_000  # vectors that probabilities are learnt from


@dataclass(frozen=True)
class Linear:
    """A linear layer: `vectors @ weight.T + bias`.

    Attributes:
        weight: `(K, D) float32`.
        bias: `(K,) float32`.
    """

    weight: Floats
    bias: Floats

    def __call__(self, vectors: Floats) -> Floats:
        """The layer's outputs, `(N, K) float32`."""
        found: Floats = vectors @ self.weight.T + self.bias
        return found


def fit_linear(vectors: Floats, targets: Floats, weights: Floats, loss: Loss, regularization: float, start: Linear | None = None) -> Linear:
    """Minimises the weighted sum of a loss plus `regularization / 2` times the squared weights; the bias is free.

    Args:
        vectors: `(N, D) float32`.
        targets: `(N, K) float32` of 0 and 1; rows sum to 1 for `softmax`.
        weights: `(N, K) float32`, how much each answer counts; for `softmax` the first column counts.
        loss: `softmax` over the outputs; `logistic` or `squared_hinge` an output (one against the rest).
        regularization: Above 0; 1 / C of scikit-learn.
        start: Where the search starts, such as the solution of a stronger regularization.

    Returns:
        The layer. An output that has only one answer in `targets` keeps giving it.
    """
    from scipy.optimize import minimize  # takes a tenth of a second to import

    num_outputs, num_features = targets.shape[1], vectors.shape[1]
    mean = vectors.mean(0, dtype=np.float64).astype(np.float32)  # a free bias makes centred features the same problem, solved sooner
    exact = vectors.size <= MAX_EXACT
    kind = torch.float64 if exact else torch.float32
    centred, y_true, counts = (torch.from_numpy(part).to(kind) for part in (vectors - mean, targets, weights))
    problem = _Problem(centred, y_true, counts, loss, regularization)
    first = np.zeros((num_outputs, num_features + 1))
    if start is not None:
        first = np.hstack([start.weight, (start.bias + start.weight @ mean)[:, None]]).astype(np.float64)
    options = {"maxiter": MAX_ITERATIONS[0 if exact else 1], "ftol": 1e-10, "gtol": 1e-6}
    found = minimize(problem, first.ravel(), jac=True, method="L-BFGS-B", options=options)
    solved = found.x.reshape(num_outputs, num_features + 1)
    bias = solved[:, -1] - solved[:, :-1] @ mean.astype(np.float64)
    return Linear(solved[:, :-1].astype(np.float32), bias.astype(np.float32))


@dataclass(frozen=True)
class _Problem:
    """What is minimised, divided by the sum of the weights; called with all parameters, gives the value and its gradient."""

    vectors: Tensor
    targets: Tensor
    weights: Tensor
    loss: Loss
    regularization: float

    def __call__(self, parameters: npt.NDArray[np.float64]) -> tuple[float, npt.NDArray[np.float64]]:
        solved = parameters.reshape(self.targets.shape[1], -1)
        layer = torch.from_numpy(solved).to(self.vectors.dtype)
        value, slope = self._value_and_slope(torch.addmm(layer[:, -1], self.vectors, layer[:, :-1].T))
        total = float(self.weights[:, 0].sum() if self.loss == "softmax" else self.weights.sum() / self.weights.shape[1])
        penalty = self.regularization / total
        gradient = np.hstack([(slope.T @ self.vectors).double().numpy(), slope.double().sum(0).numpy()[:, None]]) / total
        gradient[:, :-1] += penalty * solved[:, :-1]
        return value / total + penalty / 2 * float(np.square(solved[:, :-1]).sum()), gradient.ravel()

    def _value_and_slope(self, outputs: Tensor) -> tuple[float, Tensor]:
        """The weighted loss over all examples, and its derivative by the outputs, `(N, K)`."""
        if self.loss == "softmax":
            weights = self.weights[:, :1]
            value = -(weights * self.targets * F.log_softmax(outputs, dim=1)).double().sum()
            return float(value), weights * (outputs.softmax(dim=1) - self.targets)
        if self.loss == "logistic":
            each = F.binary_cross_entropy_with_logits(outputs, self.targets, self.weights, reduction="none")
            return float(each.double().sum()), self.weights * (outputs.sigmoid() - self.targets)
        signs = 2 * self.targets - 1
        missing = (1 - signs * outputs).clamp_min(0)
        return float((self.weights * missing.square()).double().sum()), -2 * self.weights * signs * missing


def fit_calibrated(vectors: Floats, targets: Floats, weights: Floats, regularization: float, seed: int) -> Linear:
    """A linear SVM (squared hinge loss, one against the rest) whose outputs are log-odds.

    Each output gets a slope and an offset from decision values of examples that the SVM has not seen, in three folds.

    Args:
        vectors: `(N, D) float32`.
        targets: `(N, K) float32` of 0 and 1.
        weights: `(N, K) float32`, how much each answer counts.
        regularization: See `fit_linear`.
        seed: Decides the folds.

    Source: Platt 1999, "Probabilistic outputs for support vector machines".
    """
    whole = fit_linear(vectors, targets, weights, "squared_hinge", regularization)
    rows = np.random.default_rng(seed).permutation(len(vectors))[:MAX_CALIBRATED]
    vectors, targets, weights = vectors[rows], targets[rows], weights[rows]
    unseen, folds = np.empty_like(targets), np.arange(len(rows)) % NUM_FOLDS
    for fold in range(min(NUM_FOLDS, len(rows))):
        learnt, rest = folds != fold, folds == fold
        unseen[rest] = fit_linear(vectors[learnt], targets[learnt], weights[learnt], "squared_hinge", regularization)(vectors[rest])
    fits = [_platt(unseen[:, [column]], targets[:, [column]], weights[:, [column]]) for column in range(targets.shape[1])]
    slopes, offsets = (np.concatenate(parts) for parts in zip(*((fit.weight[:, 0], fit.bias) for fit in fits), strict=True))
    return Linear(whole.weight * slopes[:, None], whole.bias * slopes + offsets)


def _platt(outputs: Floats, targets: Floats, weights: Floats) -> Linear:
    """Slope (0 or more) and offset that make log-odds of an output's decision values."""
    found = fit_linear(outputs, targets, weights, "logistic", 1e-3)
    return found if found.weight[0, 0] > 0 else fit_linear(np.zeros_like(outputs), targets, weights, "logistic", 1e-3)


def one_hot(targets: npt.NDArray[Any], num_outputs: int) -> Floats:
    """Class indices `(N,)` or labels `(N, K)` as `(N, K) float32` of 0 and 1."""
    return targets.astype(np.float32) if targets.ndim == 2 else np.eye(num_outputs, dtype=np.float32)[targets]
