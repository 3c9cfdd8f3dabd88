"""The time limit: side and epochs with which a training ends in time, settled once from what was measured.

The clock runs from the step's start. What was settled is kept beside the checkpoints, so a resumed training does not measure again; it
continues the clock of its checkpoint: what an interruption costs (the work since that, and what is prepared twice) comes on top of the
limit, and the result is that of a training without an interruption.
"""

import dataclasses
import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from components.train.averaged_weights import averages_tried
from components.train.choice import Choice, Length, candidates, choose, is_fine_tuned, kept_views_of, starts_linearly
from components.train.config import TrainConfig
from components.train.costs import Bench, Measured
from darkroom.images import Images
from darkroom.manifest import Manifest
from darkroom.system.config import dump
from darkroom.system.errors import InputError
from darkroom.training import devices
from darkroom.training.deadline import Deadline
from darkroom.training.kept_result import kept_result
from darkroom.training.linear_start import MAX_IMAGES as MAX_READ
from darkroom.training.range_test import NUM_RATES
from darkroom.training.training_sample import MAX_IMAGES

NAME = "time_limit.json"
SHARE = 0.9  # of the limit that is planned with: machines are not equally fast all the time
PLENTY = 1.2  # a limit that is proposed is this much longer than what is needed


@dataclasses.dataclass(frozen=True)
class Settled:
    """What a training was given the time for.

    Attributes:
        side_px: Side of the images.
        epochs: Epochs; 0 where there is not the time for one.
        epoch_s: Seconds that the steps of one take.
        between_s: Seconds that a validation takes.
        closing_s: Seconds from the last validation to the end of the step.
        needed_s: Seconds that the step takes with a single epoch.
    """

    side_px: int
    epochs: int
    epoch_s: float
    between_s: float
    closing_s: float
    needed_s: float


@dataclasses.dataclass(frozen=True)
class Timed:
    """What is trained, and by when.

    Attributes:
        choice: What, and how.
        deadline: When the step has to be done; none without a limit.
        is_affordable: Whether there is the time for one epoch.
    """

    choice: Choice
    deadline: Deadline | None = None
    is_affordable: bool = True

    def told_too_short(self, config: TrainConfig) -> str:
        """What a person should know where there is not the time for one epoch."""
        return (
            f"train.time_limit_min is {config.time_limit_min:g}, too short for one epoch of {self.choice.architecture} at "
            f"{self.choice.side_px} px: a probe on the embeddings is trained instead"
        )


def choose_in_time(
    packed: Images, table: Manifest, policy: Path, config: TrainConfig, started: float, checkpoints: Path | None, *, is_named: bool
) -> Timed:
    """Chooses what is trained, within `train.time_limit_min` where there is one.

    Args:
        packed: Images, copies included.
        table: All rows.
        policy: The file of what is done to training images on the fly.
        config: Settings, some of them `auto`.
        started: When the step began, by the clock of `time.monotonic`.
        checkpoints: A folder for unfinished work, or none.
        is_named: Whether a person named the network, and not `auto`, whose choice may already stand in `config`.

    Raises:
        InputError: There is not the time for one epoch of a network that was named.
    """
    training = table.where("train")
    choice = choose(training, config)
    if not config.is_time_limited:
        return Timed(choice)
    found = settle(packed, table, policy, choice, config, lambda: time.monotonic() - started, checkpoints)
    if is_named and not found.epochs:
        needed = found.needed_s / SHARE / 60
        raise InputError(
            f"train.time_limit_min is {config.time_limit_min:g}, and one epoch of {choice.architecture} at {found.side_px} px needs "
            f"{needed:.2g} minutes: raise it to {PLENTY * needed:.2g}, or set train.model to probe"
        )
    each, limit = found.epoch_s + found.between_s, config.time_limit_min
    reason = (
        f"{found.epochs} epochs of {len(training):,} images at {found.side_px} px for train.time_limit_min={limit:g}, of {each:,.1f} s each"
    )
    deadline = Deadline(60 * limit, found.epoch_s, found.between_s, found.closing_s, started)
    return Timed(choose(training, config, Length(found.side_px, max(1, found.epochs), reason)), deadline, found.epochs > 0)


def settle(
    packed: Images,
    table: Manifest,
    policy: Path,
    choice: Choice,
    config: TrainConfig,
    used_s: Callable[[], float],
    checkpoints: Path | None,
) -> Settled:
    """Measures and settles; a resumed training takes what it settled before.

    Args:
        packed: Images, copies included.
        table: All rows.
        policy: The file of what is done to training images on the fly.
        choice: What is trained, by `train.effort`.
        config: The limit, and what else bounds side and epochs.
        used_s: Gives the seconds that the step has taken.
        checkpoints: A folder where the result is kept, or none.

    Returns:
        What was settled: 0 epochs where there is not the time for one.
    """
    find = partial(_measured, packed, table, policy, choice, config, used_s)
    return Settled(**kept_result(checkpoints and checkpoints / NAME, dump(config), lambda: vars(find())))


def _measured(packed: Images, table: Manifest, policy: Path, choice: Choice, config: TrainConfig, used_s: Callable[[], float]) -> Settled:
    """Measures and settles, see `settle`."""
    wanted, most = candidates(table.where("train"), choice.architecture, config)
    sizes = _sizes(table, choice, wanted, config)
    limit_s = SHARE * 60 * config.time_limit_min
    with devices.threads(config.num_threads):
        bench = Bench(packed, table, policy, choice.architecture, choice.settings, config)
        measured = measure(bench, wanted, sizes.num_train, limit_s - used_s())
    within = {side: epochs for side, epochs in wanted.items() if side <= measured.sides[-1][0]}
    return longest(within, most, measured, sizes, used_s(), limit_s)


def measure(bench: Bench, wanted: Mapping[int, float], num_train: int, left_s: float) -> Measured:
    """Measures the smallest side, and the largest that may be affordable: what surely is not is not measured.

    Args:
        bench: Measures.
        wanted: The sides, ascending, with the epochs that each is worth.
        num_train: Training images.
        left_s: Seconds that are left.
    """
    least = next(iter(wanted))
    found = {least: bench.costs(least)}
    epoch_s = num_train * found[least].step_s
    if epoch_s > left_s:
        return Measured(tuple(found.items()), 0.0, 0.0)
    largest = max((side for side, epochs in wanted.items() if epochs * epoch_s * side / least <= left_s), default=least)
    if largest != least:  # images of twice the side take twice the time at least
        found[largest] = bench.costs(largest)
    return Measured(tuple(found.items()), bench.score_s(), bench.export_s(largest))


class Sizes(NamedTuple):
    """How many images there are.

    Attributes:
        num_train: For training.
        num_validation: For validation.
        num_tested: Of a range test.
        num_read: That the last layer is fitted on before all else.
        kept_views: Views that are kept of each training image, by side.
    """

    num_train: int
    num_validation: int
    num_tested: int = 0
    num_read: int = 0
    num_averages: int = 0
    kept_views: Mapping[int, int] = MappingProxyType({})


def _sizes(table: Manifest, choice: Choice, sides: Iterable[int], config: TrainConfig) -> Sizes:
    num_train, num_validation = (len(table.where(split)) for split in ("train", "validation"))
    num_tested = NUM_RATES * choice.settings.batch_size if config.learning_rate == "find" else 0
    num_read = min(num_train, MAX_READ) + min(num_validation, MAX_READ) if starts_linearly(config, choice.settings) else 0
    kept_views = {side: kept_views_of(choice.architecture, side, num_train, config) for side in sides}
    num_averages = averages_tried(config) if is_fine_tuned(choice.architecture, config) else 0
    return Sizes(num_train, num_validation, num_tested, num_read, num_averages, kept_views)


def longest(
    wanted: Mapping[int, float],
    most: int,
    measured: Measured,
    sizes: Sizes,
    used_s: float,
    limit_s: float,
) -> Settled:
    """The largest side at which there is the time for as many epochs as are wanted at it, or else the smallest; and its epochs.

    Args:
        wanted: The sides to choose from, ascending, with the epochs that each is worth.
        most: Epochs at most.
        measured: Seconds of the parts.
        sizes: How many images.
        used_s: Seconds that have passed.
        limit_s: Seconds in all.
    """
    found = [_at(side, most, measured, sizes, used_s, limit_s) for side in wanted]
    return next((one for one in reversed(found) if one.epochs >= min(wanted[one.side_px], most)), found[0])


def _at(side: int, most: int, measured: Measured, sizes: Sizes, used_s: float, limit_s: float) -> Settled:
    num_train, num_validation, num_tested, num_read, num_averages, kept_views = sizes
    costs = measured.at(side)
    epoch_s = num_train * costs.step_s
    between_s = num_validation * costs.validate_s + measured.score_s
    sample_s = min(num_validation, MAX_IMAGES) * costs.forward_s
    closing_s = (1 + num_averages) * between_s + sample_s + measured.export_s  # thresholds are tuned on the validation images once more
    opening_s = used_s + (num_train + num_validation) * costs.decode_s + num_tested * costs.step_s + num_read * costs.validate_s
    views = kept_views.get(side, 0)
    opening_s += (views * num_train + min(views, 1) * num_validation) * costs.keep_s
    left = limit_s - opening_s - closing_s
    epochs = min(most, max(0, int(left / max(epoch_s + between_s, 1e-9))))
    return Settled(side, epochs, epoch_s, between_s, closing_s, opening_s + epoch_s + between_s + closing_s)
