"""Answers that are the mean for an image and its mirror image: when they are given, and what the exported model answers then."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from components.train.config import TrainConfig
from components.train.mirrored_answers import Delivered, delivered
from darkroom.augmentation.policy import Operation, Policy
from darkroom.model import ModelCard, Predictor
from darkroom.networks.export import load_network, save_model
from darkroom.networks.network import build
from darkroom.system.config import parse
from darkroom.system.errors import InputError
from darkroom.task import Task
from darkroom.training.examples import Examples
from darkroom.training.hyperparameters import Settings
from darkroom.training.problem import Problem

SIDE, FLIP = 8, Policy(operations=(Operation(name="horizontal_flip", probability=0.5),))
SETTINGS = Settings(3, batch_size=8, learning_rate=0.01)


class LeftHalf(nn.Module):
    """Knows a class by the colour of the left half, and sees the right half in mirror images alone."""

    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.tensor(5.0))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits `(N, 3)`."""
        return self.gain * images[:, :, :, : images.shape[3] // 2].mean(dim=(2, 3))


def problem(right: int, policy: Policy = FLIP) -> Problem:
    """Noisy images; the left half has the colour of the class, the right half that of the class so many further."""
    random, targets = np.random.default_rng(0), torch.arange(300) % 3
    pixels = random.normal(128, 60, (300, SIDE, SIDE, 3))
    for row, target in enumerate(targets.tolist()):
        pixels[row, :, : SIDE // 2, target] += 20
        pixels[row, :, SIDE // 2 :, (target + right) % 3] += 20
    images = torch.tensor(pixels.clip(0, 255).astype(np.uint8))
    train, validation = Examples(images[:60], targets[:60]), Examples(images[60:], targets[60:])
    return Problem(train, validation, np.arange(240), policy, ("a", "b", "c"), "multiclass", (0.5,) * 3, (0.25,) * 3)


def deliver(given: Problem, wanted: bool | str) -> Delivered:
    return delivered(LeftHalf(), given, (), {"validation_loss": 9.0}, parse(TrainConfig, "train", {"mirrored_answers": wanted}), SETTINGS)


def test_auto_looks_twice_where_that_lowers_the_loss_and_training_mirrors() -> None:
    both, other, unlearnt = deliver(problem(0), "auto"), deliver(problem(1), "auto"), deliver(problem(0, Policy()), "auto")
    assert both.is_mirrored and both.row["validation_loss"] < 9
    assert not other.is_mirrored and other.row == {"validation_loss": 9.0}
    assert "answers are for an image as it is" in other.notes[0].text
    assert not unlearnt.is_mirrored and not unlearnt.notes


def test_what_is_wanted_is_done_and_a_training_that_mirrors_nothing_is_told() -> None:
    assert deliver(problem(1), True).is_mirrored
    assert [note.is_warning for note in deliver(problem(1, Policy()), True).notes] == [True, False]
    assert deliver(problem(0), False) == Delivered(False, (), {"validation_loss": 9.0})


def test_a_model_on_embeddings_does_not_look_twice() -> None:
    with pytest.raises(InputError, match=r"train\.mirrored_answers is true, and probe \(train\.model\) is no network"):
        parse(TrainConfig, "train", {"mirrored_answers": True, "model": "probe"})


@pytest.mark.parametrize("task", ["binary", "multilabel"])
def test_the_exported_model_answers_with_the_mean_of_both_logits(tmp_path: Path, task: Task) -> None:
    network = build("small_cnn", 2, side_px=SIDE).eval()
    card = ModelCard("small_cnn", ("a", "b"), task, SIDE, (0.5,) * 3, (0.25,) * 3, (0.5,) * (1 if task == "binary" else 2))
    save_model(tmp_path / "plain", network, card)
    save_model(tmp_path / "mirrored", network, dataclasses.replace(card, mirrored=True))
    images = problem(0).train.pixels.numpy()
    plain = Predictor(tmp_path / "plain")
    ways = [plain.probabilities(images), plain.probabilities(images[:, :, ::-1])]
    if task == "multilabel":
        expected = 1 / (1 + np.exp(-np.mean([np.log(way / (1 - way)) for way in ways], axis=0)))
    else:
        mean = np.exp(np.mean([np.log(way) for way in ways], axis=0))
        expected = mean / mean.sum(axis=1, keepdims=True)
    assert np.abs(ways[0] - ways[1]).max() > 1e-3
    np.testing.assert_allclose(Predictor(tmp_path / "mirrored").probabilities(images), expected, atol=1e-5)
    again, read = load_network(tmp_path / "mirrored")
    assert read.mirrored
    assert again.state_dict().keys() == network.state_dict().keys()
