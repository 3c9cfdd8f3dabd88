"""The range test: one step at each of ever higher learning rates, from whose losses a learning rate is found."""

import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path

from torch import nn

from darkroom.training.hyperparameters import Settings
from darkroom.training.kept_result import kept_result
from darkroom.training.loop import losses_at
from darkroom.training.problem import Problem

NAME = "range_test.json"
NUM_RATES, LOWEST, HIGHEST = 100, 1e-3, 1e2  # of the usual learning rate
SMOOTHING, DIVERGED = 0.9, 4.0  # share of the losses before; how far above the least the test ends
MIN_RATES = 20  # a least loss before so many, a decade of rates, is no descent but chance
SHARE = 0.1  # of the rate at which the loss is least: there it is about to rise


@dataclasses.dataclass(frozen=True)
class RangeTest:
    """A range test.

    Attributes:
        rates: Learning rates of the steps, ascending.
        losses: The smoothed losses at these.
        rate: The learning rate that was found.
    """

    rates: tuple[float, ...]
    losses: tuple[float, ...]
    rate: float

    def told(self) -> str:
        """What a person should know."""
        return f"a range test of {len(self.rates)} steps found a learning rate of {self.rate:.2g}"


def find_rate(network: nn.Module, problem: Problem, settings: Settings, checkpoint: Path | None) -> RangeTest:
    """Runs the test on a copy of a network; a resumed training takes the result that it found before.

    Args:
        network: Is left as it is.
        problem: What is to be learnt.
        settings: How; its learning rate is the usual one, about which the test looks, and which stays where the loss never falls.
        checkpoint: A folder where the result is kept, or none.

    Source: Smith 2017, "Cyclical Learning Rates for Training Neural Networks", section 3.3.
    """
    kept = kept_result(checkpoint and checkpoint / NAME, dataclasses.asdict(settings), lambda: vars(_tested(network, problem, settings)))
    return RangeTest(tuple(kept["rates"]), tuple(kept["losses"]), kept["rate"])


def _tested(network: nn.Module, problem: Problem, settings: Settings) -> RangeTest:
    """Runs the test, see `find_rate`."""
    usual = settings.learning_rate
    ratio = (HIGHEST / LOWEST) ** (1 / (NUM_RATES - 1))
    rates = [usual * LOWEST * ratio**number for number in range(NUM_RATES)]
    losses, mean = list[float](), 0.0
    for number, loss in enumerate(losses_at(network, problem, settings, rates), start=1):
        mean = SMOOTHING * mean + (1 - SMOOTHING) * loss
        smooth = mean / (1 - SMOOTHING**number)
        if not math.isfinite(smooth) or smooth > DIVERGED * min([*losses, smooth]):
            break
        losses.append(smooth)
    return RangeTest(tuple(rates[: len(losses)]), tuple(losses), best_rate(rates, losses, usual))


def best_rate(rates: Sequence[float], losses: Sequence[float], usual: float) -> float:
    """A tenth of the rate at which the loss is least, to two digits; or the usual rate, if the loss never falls."""
    least = min(range(len(losses)), key=losses.__getitem__, default=0)
    return float(f"{SHARE * rates[least]:.1e}") if least >= MIN_RATES else usual
