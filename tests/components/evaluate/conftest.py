"""Test images of plain colours, and a model that answers with the strongest colour, so that every result is known."""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from PIL import Image

from darkroom.images import ImageWriter
from darkroom.manifest import Manifest, make_table
from darkroom.model import ModelCard
from darkroom.task import Task

CLASSES = ("red", "lime", "blue")
THRESHOLDS = {"binary": (0.5,), "multiclass": (), "multilabel": (0.5,) * 3}


@pytest.fixture
def write_data(tmp_path: Path) -> Callable[..., tuple[Path, Path]]:
    """Writes images and splits for rows of colour, label (or labels, joined by a bar) and split."""

    def write(rows: list[tuple[str, str, str]], classes: tuple[str, ...] = CLASSES, task: Task = "multiclass") -> tuple[Path, Path]:
        with ImageWriter(tmp_path / "images") as writer:
            names = [writer.add(encode(colour, number)) for number, (colour, _, _) in enumerate(rows)]
        labels = [label for _, label, _ in rows]
        several = task == "multilabel"
        columns = {"path": [f"{number}.png" for number in range(len(rows))], "image_id": names}
        columns |= {"labels": [label.split("|") if label else [] for label in labels]} if several else {"label": labels}
        table = make_table(columns | {"split": [row[2] for row in rows]})
        Manifest(table, classes, task, "v1").write(tmp_path / "splits")
        return tmp_path / "images", tmp_path / "splits"

    return write


@pytest.fixture
def write_model(tmp_path: Path) -> Callable[..., Path]:
    """Writes a model whose logits are 8 times the mean red, green and blue (0 to 1), less 4 for multi-label."""

    def write(classes: tuple[str, ...] = CLASSES, task: Task = "multiclass") -> Path:
        folder = tmp_path / "model"
        folder.mkdir()
        card = ModelCard("colours", classes, task, 8, (0.0,) * 3, (1.0,) * 3, THRESHOLDS[task])
        card.write(folder / "model.json")
        onnx.save(graph(len(classes), task == "multilabel"), folder / "model.onnx")
        return folder

    return write


def encode(colour: str, number: int) -> bytes:
    """A PNG of one colour; its width makes each number's file different."""
    file = io.BytesIO()
    Image.new("RGB", (20 + number, 20), colour).save(file, "PNG")
    return file.getvalue()


def graph(num_classes: int, several: bool) -> onnx.ModelProto:
    """Mean colour, then a diagonal matrix, then softmax or sigmoid."""
    weights = np.zeros((3, num_classes), np.float32)
    np.fill_diagonal(weights, 8 / 255)
    constants = {"axes": np.array([1, 2]), "weights": weights, "bias": np.full(num_classes, -4.0 * several, np.float32)}
    nodes = [
        helper.make_node("Cast", ["images"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["floats", "axes"], ["colour"], keepdims=0),
        helper.make_node("Gemm", ["colour", "weights", "bias"], ["logits"]),
        helper.make_node("Sigmoid" if several else "Softmax", ["logits"], ["probabilities"]),
    ]
    images = helper.make_tensor_value_info("images", TensorProto.UINT8, ["N", 8, 8, 3])
    answers = helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["N", num_classes])
    stored = [onnx.numpy_helper.from_array(value, name) for name, value in constants.items()]
    made = helper.make_graph(nodes, "colours", [images], [answers], stored)
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
