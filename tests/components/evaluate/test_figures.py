"""Figures are drawn for any number of classes and any name, without a warning (warnings are errors here)."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from components.evaluate.figures import draw
from darkroom.evaluation import Predictions
from darkroom.metrics.calibration import calibration
from darkroom.task import Task
from tests.darkroom.test_drawing import ODD


def answers(classes: tuple[str, ...], task: Task, num_images: int = 150) -> Predictions:
    rng, number = np.random.default_rng(0), len(classes)
    names = tuple(str(index) for index in range(num_images))
    if task == "multilabel":
        y_true = (rng.random((num_images, number)) < np.linspace(0, 0.9, number)).astype(np.int64)
        probabilities = np.clip(y_true * 0.4 + rng.random((num_images, number)) * 0.6, 0, 1).astype(np.float32)
        return Predictions(
            names, names, classes, task, y_true, (probabilities > 0.5).astype(np.int64), probabilities, np.arange(num_images)
        )
    y_true = rng.integers(number, size=num_images)
    probabilities = rng.dirichlet(np.ones(number), size=num_images).astype(np.float32)
    return Predictions(names, names, classes, task, y_true, probabilities.argmax(1), probabilities, np.arange(num_images))


@pytest.mark.parametrize(
    ("classes", "task"),
    [
        (("no", "yes"), "binary"),
        (ODD, "multiclass"),
        pytest.param(tuple(f"class {number}" for number in range(60)), "multiclass", marks=pytest.mark.slow),
        pytest.param(tuple(f"label {number}" for number in range(26)), "multilabel", marks=pytest.mark.slow),
        pytest.param(ODD, "multilabel", marks=pytest.mark.slow),
    ],
)
def test_figures_of_every_task_are_drawn(classes: tuple[str, ...], task: Task, tmp_path: Path) -> None:
    some = answers(classes, task)
    draw(tmp_path, some, calibration(some))
    first = "label_confusions.png" if task == "multilabel" else "confusion_matrix.png"
    for name in (first, "classes.png", "curves.png", "calibration.png"):
        with Image.open(tmp_path / name) as picture:
            assert 300 < picture.width < 2400
            assert picture.convert("RGB").getcolors(20) is None  # there are more: something was drawn


def test_one_image_is_enough_for_every_figure(tmp_path: Path) -> None:
    some = answers(("no", "yes"), "binary", num_images=1)
    draw(tmp_path, some, calibration(some))
    assert len(list(tmp_path.iterdir())) == 4
