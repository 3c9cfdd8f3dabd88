"""What leaks are worth: a linear model on the embeddings, cross-validated with and without its nearest images on the other side."""

import numpy as np
import numpy.typing as npt
import torch
from scipy.sparse import csr_array

from darkroom.folds import assign_folds
from darkroom.metrics.measures import measures
from darkroom.model import decide
from darkroom.task import Task
from darkroom.training.linear import fit_linear
from darkroom.training.principal_components import reduced
from darkroom.units import Integers, renumbered

NUM_FOLDS = 5
MAX_IMAGES = 5_000  # of which the models are fitted
CLUSTER_IMAGES = 10  # in a cluster, on average
MAX_FEATURES = 256  # principal components of longer vectors: f1_macro moves by 0.004 on 3,781 photographs, in a third of the time
_PENALTY = 0.1
_ITERATIONS = 10
MEASURES = ("accuracy", "balanced_accuracy", "f1_macro", "f1_micro", "roc_auc", "average_precision")

Floats = npt.NDArray[np.float32]


def floor_by_clusters(
    vectors: Floats, labels: npt.NDArray[np.int64], units: Integers, task: Task, seed: int
) -> dict[str, dict[str, float]]:
    """Cross-validates a linear model under folds that keep units together, and under folds that keep clusters of the vectors together.

    Args:
        vectors: `(N, D) float32`.
        labels: `(N, K)` of 0 and 1.
        units: `(N,)`: images of one number stay together in both.
        task: What is to be answered.
        seed: Decides folds and clusters.

    Returns:
        Measures `as_split` and `by_clusters`; empty where a class stands in fewer clusters than there are folds.
    """
    clusters = units_with_clusters(vectors, units, seed)
    vectors = reduced(vectors, MAX_FEATURES)
    if min(len(np.unique(clusters[shown > 0])) for shown in labels.T) < NUM_FOLDS:  # a fold would lack a class, which says nothing of leaks
        return {}
    kinds = {"as_split": units, "by_clusters": clusters}
    return {name: _cross_validated(vectors, labels, together, task, seed) for name, together in kinds.items()}


def sampled(units: Integers, seed: int, max_images: int = MAX_IMAGES) -> Integers:
    """The rows of a sample, such as what the models are fitted on: all, or of many those of some units.

    Args:
        units: `(N,)`: images of one number are taken together.
        seed: Decides which.
        max_images: How many, unless the first unit has more.
    """
    order = np.random.default_rng(seed).permutation(int(units.max()) + 1)
    counted = np.cumsum(np.bincount(units)[order])
    return np.flatnonzero(np.isin(units, order[counted <= max(max_images, counted[0])]))


def units_with_clusters(vectors: Floats, units: Integers, seed: int) -> Integers:
    """Joins units whose mean vectors are in one cluster of k-means, `(N,) int64`.

    Source: Hornik, Feinerer, Kober, Buchta: Spherical k-means clustering, 2012.
    """
    sums = np.zeros((int(units.max()) + 1, vectors.shape[1]), np.float32)
    np.add.at(sums, units, vectors)
    means = torch.nn.functional.normalize(torch.from_numpy(sums), dim=1)
    number = max(1, len(vectors) // CLUSTER_IMAGES)
    centres = means[torch.from_numpy(np.random.default_rng(seed).permutation(len(means))[:number])]
    nearest = (means @ centres.T).argmax(1)
    for _ in range(_ITERATIONS):
        moved = torch.zeros_like(centres).index_add_(0, nearest, means)
        centres = torch.where(moved.norm(dim=1, keepdim=True) > 0, torch.nn.functional.normalize(moved, dim=1), centres)
        nearest = (means @ centres.T).argmax(1)
    return renumbered(nearest.numpy()[units])


def _cross_validated(vectors: Floats, labels: npt.NDArray[np.int64], together: Integers, task: Task, seed: int) -> dict[str, float]:
    """Measures of the answers on the held-out folds, all taken together."""
    rows, single = np.arange(len(vectors)), task != "multilabel"
    folds = assign_folds(csr_array(labels), together, rows, NUM_FOLDS, exclusive=single, seed=seed)
    y_score = np.zeros(labels.shape)
    for fold in range(NUM_FOLDS):
        learnt, held_out = folds != fold, folds == fold
        layer = fit_linear(
            vectors[learnt], labels[learnt].astype(np.float32), np.ones(labels[learnt].shape, np.float32),
            "softmax" if single else "logistic", _PENALTY,
        )  # fmt: skip
        outputs = torch.from_numpy(layer(vectors[held_out])).double()
        y_score[held_out] = (outputs.softmax(1) if single else outputs.sigmoid()).numpy()
    thresholds = {"binary": (0.5,), "multiclass": (), "multilabel": (0.5,) * labels.shape[1]}[task]
    y_true = labels.argmax(1) if single else labels
    names = tuple(map(str, range(labels.shape[1])))
    found = measures(y_true, y_score, decide(task, y_score, thresholds), names, task)
    return {name: found[name] for name in MEASURES if name in found}
