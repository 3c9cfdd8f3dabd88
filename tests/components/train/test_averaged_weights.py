"""The weights that a fine-tuning is delivered with: a mean of what it began with and what it has learnt, where that has the least loss."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from components.train.averaged_weights import SHARES, Averaged, average, copied
from components.train.config import TrainConfig
from darkroom.augmentation.policy import Policy
from darkroom.system.config import parse
from darkroom.training.examples import Examples
from darkroom.training.hyperparameters import Settings
from darkroom.training.problem import Problem
from darkroom.training.trainer import Fitted

SETTINGS = Settings(3, batch_size=8, learning_rate=0.01, label_smoothing=0.3)  # which does not decide
LEARNT = Fitted([{"epoch": 1, "train_loss": 0.1, "validation_loss": 7.0}], 1, ())


class Gain(nn.Module):
    """Answers by the colour of an image, so surely as its one weight says."""

    def __init__(self, gain: float, norm: bool = False) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.tensor(gain))
        self.norm = nn.BatchNorm2d(3, affine=False) if norm else nn.Identity()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits `(N, 3)`."""
        return self.gain * self.norm(images).mean(dim=(2, 3))


def problem(num_validation: int = 240) -> Problem:
    random, targets = np.random.default_rng(0), torch.arange(60 + num_validation) % 3
    pixels = random.normal(128, 60, (60 + num_validation, 4, 4, 3))
    for row, target in enumerate(targets.tolist()):
        pixels[row, :, :, target] += 15
    images = torch.tensor(pixels.clip(0, 255).astype(np.uint8))
    train, validation = Examples(images[:60], targets[:60]), Examples(images[60:], targets[60:])
    return Problem(train, validation, np.arange(num_validation), Policy(), ("a", "b", "c"), "multiclass", (0.5,) * 3, (0.25,) * 3)


def deliver(network: nn.Module, start: nn.Module | None, wanted: float | str, given: Problem | None = None) -> Averaged:
    config = parse(TrainConfig, "train", {"start_share": wanted})
    return average(network, copied(start) if start else {}, given or problem(), LEARNT, config, SETTINGS)


def loss_of(network: nn.Module, given: Problem) -> float:
    """Cross-entropy on the validation images, by torch alone."""
    with torch.inference_mode():
        images = (torch.as_tensor(given.validation.pixels).permute(0, 3, 1, 2) / 255 - 0.5) / 0.25
        return float(cross_entropy(network.eval()(images), given.validation.targets))


def test_auto_takes_the_share_of_the_start_with_the_least_log_loss() -> None:
    given, losses = problem(), {share: loss_of(Gain(share * 1.0 + (1 - share) * 9.0), problem()) for share in (0.0, *SHARES)}
    network = Gain(9.0)
    found = deliver(network, Gain(1.0), "auto", given)
    best = min(losses, key=lambda share: losses[share])
    assert found.share == best > 0
    assert network.gain.item() == pytest.approx(best * 1.0 + (1 - best) * 9.0)
    assert found.row["validation_log_loss"] == pytest.approx(losses[best], abs=1e-5)
    assert "the log loss on the validation images is" in found.notes[0].text


def test_what_was_learnt_is_kept_to_the_bit_where_it_is_best() -> None:
    network = Gain(1 / 3)
    found = deliver(network, Gain(-5.0), "auto")
    assert (found.share, dict(found.row), found.notes) == (0.0, {"validation_loss": 7.0}, ())
    assert network.gain.item() == torch.tensor(1 / 3).item()


def test_a_given_share_is_taken_whatever_its_loss() -> None:
    network = Gain(2.0)
    assert deliver(network, Gain(-2.0), 0.25).share == 0.25
    assert network.gain.item() == 1.0


@pytest.mark.parametrize("case", ["switched off", "no validation", "no start", "other statistics"])
def test_nothing_is_averaged_where_that_would_mean_nothing(case: str) -> None:
    network, start = (Gain(gain, norm=case == "other statistics") for gain in (9.0, 1.0))
    if case == "other statistics":
        network(torch.rand(8, 3, 4, 4))
    given = problem(0) if case == "no validation" else problem()
    found = deliver(network, None if case == "no start" else start, 0 if case == "switched off" else "auto", given)
    assert (found.share, network.gain.item()) == (0.0, 9.0)
