"""What the steps of a run leave, small and real: images that were really encoded, models that really answer."""

import io
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image
from safetensors.numpy import save_file

from components.evaluate.config import EvaluateConfig
from components.evaluate.evaluate import evaluate
from darkroom import issues, manifest
from darkroom.artifacts import Artifacts
from darkroom.evaluation import Predictions
from darkroom.images import ImageWriter
from darkroom.manifest import Manifest, make_table
from darkroom.model import CARD, GRAPH, WEIGHTS, ModelCard
from darkroom.task import Task

SIDE = 16


@dataclass(frozen=True)
class Finished:
    """A finished pipeline's artifacts."""

    images: Path
    artifacts: Artifacts


def make(
    folder: Path,
    classes: Sequence[str] = ("cat", "dog", "owl"),
    task: Task = "multiclass",
    *,
    per_class: int = 12,
    noise: float = 0.0,
    met: bool = False,
    data_version: str = "a" * 32 + ".dir",
    seed: int = 0,
    evaluate_pruned: bool = True,
    figures: bool = False,
) -> Finished:
    """Makes images of coloured patterns, a linear model fitted to them, and what the steps say of both.

    Args:
        folder: Where everything is placed.
        classes: Class names.
        task: What is to be answered.
        per_class: Images a class.
        noise: Spoils the model's weights: 0 is a good model, 1 a bad one.
        met: Whether the pruned model met its limits.
        data_version: Of the data.
        seed: Decides the images.
        figures: Whether the evaluations' figures are drawn, which takes seconds; otherwise small pictures stand in their places.
        evaluate_pruned: Whether the pruned model is evaluated too; otherwise its evaluation is that of the full one.
    """
    rng = np.random.default_rng(seed)
    patterns = rng.integers(0, 256, (len(classes), 4, 4, 3))
    truth = np.repeat(np.eye(len(classes), dtype=int), per_class, axis=0)
    if task == "multilabel":
        truth |= rng.random(truth.shape) < 0.2
    shown = np.clip(truth @ patterns.reshape(len(classes), -1) / truth.sum(1, keepdims=True), 0, 255).reshape(-1, 4, 4, 3)
    pixels = np.clip(np.kron(shown, np.ones((1, 4, 4, 1))) + rng.normal(0, 30, (len(truth), SIDE, SIDE, 3)), 0, 255).astype(np.uint8)
    with ImageWriter(folder / "images") as writer:
        names = [writer.add(_png(picture)) for picture in pixels]
    _splits(truth, names, tuple(classes), task, per_class, data_version).write(folder / "splits")
    weights = _fit(pixels, truth) + noise * rng.normal(0, 5.0, (49, len(classes)))
    card = ModelCard(
        "linear", tuple(classes), task, SIDE, (0.5,) * 3, (0.5,) * 3, _thresholds(task, len(classes)), {"data_version": data_version}
    )
    _bundle(folder / "model", card, weights)
    pruning = {
        "met": met, "latency_ratio": 0.45, "latency_ms_before": 3.3, "latency_ms_after": 1.5, "epochs": 2, "macs_ratio": 0.5,
        "settings": {"max_drop": 0.02}, "reason": "50% of the multiply-adds and 45% of the latency remain",
    }  # fmt: skip
    _bundle(folder / "pruned_model", replace(card, pruning=pruning), np.round(weights, 1))
    config = EvaluateConfig(num_resamples=100, num_threads=1)
    with pytest.MonkeyPatch.context() as patch:
        if not figures:
            patch.setattr("components.evaluate.evaluate.draw", _place_pictures)
        evaluate(folder / "images", folder / "splits", folder / "model", folder / "evaluation", config=config)
        if evaluate_pruned:
            evaluate(folder / "images", folder / "splits", folder / "pruned_model", folder / "pruned_evaluation", config=config)
    if not evaluate_pruned:
        shutil.copytree(folder / "evaluation", folder / "pruned_evaluation")
    shutil.copytree(folder / "evaluation", folder / "floor_evaluation")
    _others(folder)
    kinds = (
        "model", "pruned_model", "evaluation", "pruned_evaluation", "floor_evaluation", "splits", "issues", "contact_sheet", "history",
        "learning_curves",
    )  # fmt: skip
    return Finished(folder / "images", Artifacts(*(folder / kind for kind in kinds)))


def _place_pictures(folder: Path, predictions: Predictions, found: object) -> None:
    first = "label_confusions" if predictions.task == "multilabel" else "confusion_matrix"
    folder.mkdir()
    for name in (first, "classes", "curves", "calibration"):
        (folder / f"{name}.png").write_bytes(_png(np.arange(96 * 64 * 3, dtype=np.uint8).reshape(64, 96, 3)))


def _png(picture: npt.NDArray[np.uint8]) -> bytes:
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG")
    return file.getvalue()


def _splits(truth: npt.NDArray[Any], names: list[str], classes: tuple[str, ...], task: Task, per_class: int, version: str) -> Manifest:
    order = np.tile(np.arange(per_class), len(classes))
    splits = np.select([order < per_class // 3, order < per_class // 2], ["test", "validation"], "train")
    given = [[name for name, on in zip(classes, row, strict=True) if on] for row in truth]
    columns: dict[str, Any] = {
        "path": [f"{labels[0]}/{number:04d}.png" for number, labels in enumerate(given)],
        "image_id": names,
        "width": [SIDE] * len(names),
        "height": [SIDE] * len(names),
        "split": splits.tolist(),
    }
    columns |= {"labels": given} if task == "multilabel" else {"label": [labels[0] for labels in given]}
    return Manifest(make_table(columns), classes, task, version)


def _thresholds(task: Task, num_classes: int) -> tuple[float, ...]:
    return {"binary": (0.5,), "multiclass": (), "multilabel": (0.5,) * num_classes}[task]


def _fit(pixels: npt.NDArray[np.uint8], truth: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    features = pixels.reshape(-1, 4, 4, 4, 4, 3).mean((2, 4)).reshape(len(pixels), -1) / 255
    features = np.hstack([features, np.ones((len(features), 1))])
    ridge = features.T @ features + 0.05 * np.eye(49)
    solved: npt.NDArray[np.float64] = np.linalg.solve(ridge, features.T @ (8.0 * truth - 4.0))
    return solved


def _bundle(folder: Path, card: ModelCard, weights: npt.NDArray[np.float64]) -> None:
    folder.mkdir(parents=True)
    card.write(folder / CARD)
    save_file({"weights": weights.astype(np.float32)}, folder / WEIGHTS)
    (folder / GRAPH).write_bytes(_graph(weights.astype(np.float32), card.task).SerializeToString())


def _graph(weights: npt.NDArray[np.float32], task: Task) -> onnx.ModelProto:
    """Mean colours of 4 x 4 fields, a linear layer, softmax or sigmoid."""
    constants = {
        "scale": np.float32(255), "fields": np.array([-1, 4, 4, 4, 4, 3]), "flat": np.array([0, -1]),
        "weight": weights[:-1], "bias": weights[-1],
    }  # fmt: skip
    nodes = [
        helper.make_node("Cast", ["images"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Div", ["float", "scale"], ["small"]),
        helper.make_node("Reshape", ["small", "fields"], ["blocks"]),
        helper.make_node("ReduceMean", ["blocks"], ["means"], axes=[2, 4], keepdims=0),
        helper.make_node("Reshape", ["means", "flat"], ["features"]),
        helper.make_node("MatMul", ["features", "weight"], ["product"]),
        helper.make_node("Add", ["product", "bias"], ["logits"]),
        helper.make_node("Sigmoid" if task == "multilabel" else "Softmax", ["logits"], ["probabilities"]),
    ]
    inputs = [helper.make_tensor_value_info("images", TensorProto.UINT8, ["N", SIDE, SIDE, 3])]
    outputs = [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["N", weights.shape[1]])]
    held = [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "linear", inputs, outputs, held)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def _others(folder: Path) -> None:
    found = [("cat/broken.png", "unreadable"), ("cat/twin.png", "duplicate"), ("cat/twin.png", "small")]
    rows: list[dict[str, object]] = [
        {"path": path, "image_id": "0", "check": check, "score": 1.0, "action": "dropped", "detail": f"it is {check}"}
        for path, check in found
    ]
    rows.append({"path": "dog/a.png", "image_id": "1", "check": "contradictory", "score": 1.0, "action": "flagged", "detail": "two labels"})
    issues.write(folder / "issues", rows)
    stripes = np.arange(96 * 64 * 3, dtype=np.uint8).reshape(64, 96, 3)
    Image.fromarray(stripes).save(folder / "contact_sheet", "PNG")
    lines = ["epoch,train_loss,validation_loss,validation_accuracy,validation_f1_macro,learning_rate"]
    lines += [f"{epoch},{1 / epoch:.4f},{1.2 / epoch:.4f},{1 - 0.5 / epoch:.4f},{1 - 0.6 / epoch:.4f},0.001" for epoch in (1, 2, 3, 4)]
    (folder / "history").write_text("\n".join(lines) + "\n")
    (folder / "learning_curves").mkdir()
    for name in ("loss", "measures"):
        Image.fromarray(stripes).save(folder / "learning_curves" / f"{name}.png")


def read_splits(path: Path) -> Manifest:
    """The table of splits that `make` wrote."""
    return manifest.read(path)
