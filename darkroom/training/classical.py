"""Classical models on feature vectors: fitted, chosen among a few settings on validation vectors, and kept as ONNX graphs.

What a family can't do exactly on many vectors in two minutes and 4 GB it does on a sample or on principal components, and says so.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import onnx

from darkroom.networks.families import Family
from darkroom.networks.head_graph import HeadGraph
from darkroom.system.cores import num_cores
from darkroom.task import Task
from darkroom.training.hyperparameters import Auto
from darkroom.training.linear import Floats, Linear, fit_calibrated, fit_linear, one_hot
from darkroom.training.principal_components import NUM_SAMPLES, Components

NUM_LANDMARKS = 1_000
MAX_LEAVES = 1_000_000  # of a forest, times classes: a file of about 40 MB
NUM_BINS = 255  # of a feature, between which gradient boosting splits
BOOSTING_WORK = 5_000_000_000  # vectors times features times trees


@dataclasses.dataclass(frozen=True)
class Vectors:
    """Labelled feature vectors.

    Attributes:
        vectors: `(N, D) float32`.
        targets: `(N,) int64` class indices, or `(N, K) int64` of 0 and 1 for multilabel.
        weights: `(N, K) float32`: how much each answer counts; for one label an image, all columns are equal.
    """

    vectors: Floats
    targets: npt.NDArray[np.int64]
    weights: Floats

    def __len__(self) -> int:
        return len(self.vectors)

    def at(self, rows: npt.NDArray[np.int64]) -> "Vectors":
        """Some of them."""
        return Vectors(self.vectors[rows], self.targets[rows], self.weights[rows])

    def sample(self, number: int, seed: int) -> "Vectors":
        """So many of them, or all, in their order."""
        if len(self) <= number:
            return self
        return self.at(np.sort(np.random.default_rng(seed).choice(len(self), number, replace=False)))


@dataclasses.dataclass(frozen=True)
class HeadSettings:
    """How a classical model is fitted.

    Attributes:
        regularization: Strength of the penalty on a linear model's weights.
        num_trees: Of a forest or of gradient boosting, where each class has as many.
        num_neighbours: Of k nearest.
        min_leaf: Fewest training vectors in a leaf of a tree.
        kernel_width: Squared distance at which the RBF kernel has fallen to 1 / e, as a share of the median squared distance.
        seed: Decides samples and trees.
    """

    regularization: float = 1.0
    num_trees: int = 100
    num_neighbours: int = 5
    min_leaf: int = 1
    kernel_width: float = 1.0
    seed: int = 0


@dataclasses.dataclass(frozen=True)
class Head:
    """A fitted classical model.

    Attributes:
        family: Which.
        settings: How it was fitted.
        graph: From `vectors`, `(N, D) float32`, to `probabilities`, `(N, K) float32`.
        notes: Approximations that were made.
        linear: The layer that it consists of, where it is logistic regression.
    """

    family: Family
    settings: HeadSettings
    graph: onnx.ModelProto
    notes: tuple[str, ...] = ()
    linear: Linear | None = None

    def probabilities(self, vectors: Floats) -> Floats:
        """Answers of the graph, `(N, K) float32`."""
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = num_cores()
        session = onnxruntime.InferenceSession(self.graph.SerializeToString(), options, providers=["CPUExecutionProvider"])
        parts = [session.run(None, {"vectors": vectors[start : start + 1024]})[0] for start in range(0, max(1, len(vectors)), 1024)]
        return np.concatenate(parts)


def candidates(family: Family, given: Mapping[str, float | Auto], seed: int) -> list[HeadSettings]:
    """Settings to choose among; the first one is taken where there are no validation vectors.

    Args:
        family: Which model.
        given: `regularization`, `num_trees` and `num_neighbours` as a person set them, or `auto`.
        seed: Decides samples and trees.
    """
    fixed = {name: value for name, value in given.items() if value != "auto"}
    grid: dict[str, Sequence[float]] = {name: values for name, values in _GRIDS[family].items() if name not in fixed}
    rows: list[dict[str, Any]] = [{}]
    for name, values in grid.items():
        rows = [{**row, name: value} for row in rows for value in values]
    return [HeadSettings(**{**row, **fixed}, seed=seed) for row in rows]


_STRENGTHS = (0.1, 10.0, 1.0, 0.01, 0.001)
_GRIDS: dict[str, dict[str, Sequence[float]]] = {
    "logistic_regression": {"regularization": _STRENGTHS},
    "linear_svm": {"regularization": _STRENGTHS},
    "rbf_svm": {"regularization": (1.0, 0.1), "kernel_width": (1.0, 0.3)},
    "decision_tree": {"min_leaf": (5, 20, 1)},
    "random_forest": {"min_leaf": (1, 5)},
    "gradient_boosting": {},
    "k_nearest": {"num_neighbours": (5, 1, 15)},
}


def fit_head(family: Family, examples: Vectors, task: Task, num_classes: int, settings: HeadSettings) -> Head:
    """Fits a classical model.

    Args:
        family: Which.
        examples: Vectors of the training split, at least two; equal ones make equal graphs.
        task: Multilabel gives each label a model of its own (or an output of its own), the others one model of all classes.
        num_classes: K.
        settings: How.
    """
    return _FITS[family](examples, task, num_classes, settings)


def _logistic_regression(examples: Vectors, task: Task, num_classes: int, settings: HeadSettings) -> Head:
    loss: Literal["logistic", "softmax"] = "logistic" if task == "multilabel" else "softmax"
    found = fit_linear(examples.vectors, one_hot(examples.targets, num_classes), examples.weights, loss, settings.regularization)
    graph = HeadGraph(examples.vectors.shape[1])
    outputs = graph.linear(graph.vectors, found.weight, found.bias)
    model = graph.model(graph.link(outputs, "sigmoid" if task == "multilabel" else "softmax"), num_classes)
    return Head("logistic_regression", settings, model, linear=found)


def _linear_svm(examples: Vectors, task: Task, num_classes: int, settings: HeadSettings) -> Head:
    targets = one_hot(examples.targets, num_classes)
    found = fit_calibrated(examples.vectors, targets, examples.weights, settings.regularization, settings.seed)
    graph = HeadGraph(examples.vectors.shape[1])
    outputs = graph.linear(graph.vectors, found.weight, found.bias)
    return Head("linear_svm", settings, graph.model(graph.link(outputs, "sigmoid" if task == "multilabel" else "shares"), num_classes))


def _rbf_svm(examples: Vectors, task: Task, num_classes: int, settings: HeadSettings) -> Head:
    """Nyström: the kernel's features of some vectors, whitened, with a linear SVM on them."""
    landmarks = examples.sample(NUM_LANDMARKS, settings.seed).vectors.astype(np.float64)
    distances = _squared_distances(landmarks, landmarks)
    gamma = 1 / (settings.kernel_width * max(float(np.median(distances)), 1e-9))
    values, directions = np.linalg.eigh(np.exp(-gamma * distances))
    kept = values > 1e-6 * values[-1]
    whiten = (directions[:, kept] / np.sqrt(values[kept])).astype(np.float64)
    parts = np.array_split(examples.vectors, max(1, len(examples) // 4096))
    features = np.concatenate([(np.exp(-gamma * _squared_distances(part, landmarks)) @ whiten).astype(np.float32) for part in parts])
    targets = one_hot(examples.targets, num_classes)
    found = fit_calibrated(features, targets, examples.weights, settings.regularization, settings.seed)
    graph = HeadGraph(examples.vectors.shape[1])
    exact = graph.linear(
        graph.kernel(graph.vectors, landmarks, gamma), found.weight.astype(np.float64) @ whiten.T, found.bias.astype(np.float64)
    )
    outputs = graph.cast(exact, onnx.TensorProto.FLOAT)
    model = graph.model(graph.link(outputs, "sigmoid" if task == "multilabel" else "shares"), num_classes)
    told = f"rbf_svm: the kernel is approximated from {len(landmarks):,} of {len(examples):,} vectors (Nyström)"
    return Head("rbf_svm", settings, model, (told,) if len(landmarks) < len(examples) else ())


def _squared_distances(left: npt.NDArray[Any], right: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    exact = left.astype(np.float64)
    found = np.square(exact).sum(1)[:, None] + np.square(right).sum(1) - 2 * exact @ right.T
    distances: npt.NDArray[np.float64] = np.maximum(found, 0.0)
    return distances


def _decision_tree(examples: Vectors, task: Task, num_classes: int, settings: HeadSettings) -> Head:
    from sklearn.tree import DecisionTreeClassifier

    return _tree_head("decision_tree", examples, task, num_classes, settings, lambda leaves: DecisionTreeClassifier(
        min_samples_leaf=settings.min_leaf, max_leaf_nodes=leaves, random_state=settings.seed
    ))  # fmt: skip


def _random_forest(examples: Vectors, task: Task, num_classes: int, settings: HeadSettings) -> Head:
    from sklearn.ensemble import RandomForestClassifier

    return _tree_head("random_forest", examples, task, num_classes, settings, lambda leaves: RandomForestClassifier(
        settings.num_trees, min_samples_leaf=settings.min_leaf, max_leaf_nodes=leaves, n_jobs=num_cores(), random_state=settings.seed
    ))  # fmt: skip


def _tree_head(
    family: Family, examples: Vectors, task: Task, num_classes: int, settings: HeadSettings, make: Callable[[int | None], Any]
) -> Head:
    """A tree or a forest, which answers for all labels at once; an image counts by the mean of its labels' weights."""
    seen, graph = Components.of(examples.vectors, settings.seed), HeadGraph(examples.vectors.shape[1])
    leaves = max(16, MAX_LEAVES // (num_classes * (settings.num_trees if family == "random_forest" else 1)))
    limited = len(examples) // settings.min_leaf > leaves
    notes = seen.notes(family) + ((f"{family}: a tree has at most {leaves:,} leaves",) if limited else ())
    varying = _varying(examples.targets)
    targets = examples.targets[:, varying].squeeze() if task == "multilabel" else examples.targets
    columns = ""
    if len(varying):
        tree = make(leaves if limited else None).fit(seen(examples.vectors), targets, sample_weight=examples.weights.mean(1))
        columns = graph.convert(tree, seen.placed(graph), seen.num_features)
        if task == "multilabel":
            one = graph.constant(np.array([1]))  # of the two answers, `present`
            columns = graph.node("Gather", columns, one, axis=1 if len(varying) == 1 else 2)
            columns = (
                columns if len(varying) == 1 else graph.node("Transpose", graph.node("Squeeze", columns, graph.constant(np.array([2]))))
            )
    return Head(family, settings, graph.model(_placed(graph, columns, examples, varying, num_classes), num_classes), notes)


def _gradient_boosting(examples: Vectors, task: Task, num_classes: int, settings: HeadSettings) -> Head:
    """One model of all classes, or one a label."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    seen, graph = Components.of(examples.vectors, settings.seed), HeadGraph(examples.vectors.shape[1])
    affordable = BOOSTING_WORK // (len(examples) * seen.num_features * (1 if task == "binary" else num_classes))
    num_trees = int(min(settings.num_trees, max(10, affordable)))
    told = f"gradient_boosting: {num_trees} of {settings.num_trees} trees a class, since {len(examples):,} images take that long"
    notes = seen.notes("gradient_boosting") + ((told,) if num_trees < settings.num_trees else ())
    shown, varying = seen(examples.vectors), _varying(examples.targets)
    edges = np.quantile(shown[:: max(1, len(shown) // NUM_SAMPLES)], np.linspace(0, 1, NUM_BINS + 1)[1:-1], axis=0).T.astype(np.float32)
    bins = np.stack([np.searchsorted(row, column) for row, column in zip(edges, shown.T, strict=True)], axis=1).astype(np.float32)

    def fitted(targets: npt.NDArray[np.int64], weights: Floats) -> str:
        model = HistGradientBoostingClassifier(
            max_iter=num_trees, min_samples_leaf=max(5, settings.min_leaf), early_stopping=False, random_state=settings.seed
        )
        return graph.convert(model.fit(bins, targets, sample_weight=weights), seen.placed(graph), seen.num_features, edges)

    if task == "multilabel":
        one = graph.constant(np.array([1]))
        parts = [graph.node("Gather", fitted(examples.targets[:, label], examples.weights[:, label]), one, axis=1) for label in varying]
        columns = graph.node("Concat", *parts, axis=1) if parts else ""
    else:
        columns = fitted(examples.targets, examples.weights[:, 0]) if len(varying) else ""
    return Head("gradient_boosting", settings, graph.model(_placed(graph, columns, examples, varying, num_classes), num_classes), notes)


def _k_nearest(examples: Vectors, task: Task, num_classes: int, settings: HeadSettings) -> Head:
    seen, graph = Components.of(examples.vectors, settings.seed), HeadGraph(examples.vectors.shape[1])
    number = min(settings.num_neighbours, len(examples))
    votes = one_hot(examples.targets, num_classes)
    found = graph.neighbours(seen.placed(graph), seen(examples.vectors), votes, examples.weights, number)
    return Head("k_nearest", settings, graph.model(found, num_classes), seen.notes("k_nearest"))


_FITS: dict[Family, Callable[[Vectors, Task, int, HeadSettings], Head]] = {
    "logistic_regression": _logistic_regression,
    "linear_svm": _linear_svm,
    "rbf_svm": _rbf_svm,
    "decision_tree": _decision_tree,
    "random_forest": _random_forest,
    "gradient_boosting": _gradient_boosting,
    "k_nearest": _k_nearest,
}


def _varying(targets: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Outputs for which there is something to learn: labels that some images have and others not, or the classes that occur, if several."""
    if targets.ndim == 2:
        return np.flatnonzero(targets.min(0) != targets.max(0))
    occurring = np.unique(targets)
    return occurring if len(occurring) > 1 else occurring[:0]


def _placed(graph: HeadGraph, columns: str, examples: Vectors, varying: npt.NDArray[np.int64], num_classes: int) -> str:
    """The learnt columns in their places among all outputs; the others keep the answer that all training images have."""
    always = np.zeros(num_classes, np.float32)
    if examples.targets.ndim == 2 or not len(varying):
        always = one_hot(examples.targets, num_classes).min(0)
    if not len(varying):
        nothing = np.zeros((num_classes, examples.vectors.shape[1]), np.float32)
        return graph.linear(graph.vectors, nothing, always)
    places = np.eye(num_classes, dtype=np.float32)[varying]
    return graph.node("Add", graph.node("MatMul", columns, graph.constant(places)), graph.constant(always))
