"""Training within a deadline, by a clock that only moves when the network works."""

import dataclasses
import io

import numpy as np
import pytest
import torch

from darkroom.training import checkpoint
from darkroom.training.deadline import Course, Deadline
from darkroom.training.hyperparameters import Settings
from darkroom.training.loop import fit
from darkroom.training.optimizers import rate_factor
from tests.darkroom.training.test_loop import Network, problem

SETTINGS = Settings(8, batch_size=5, optimizer="sgd", learning_rate=0.05, ema_decay=0.0, warmup_epochs=1.0)
STEPS = 5  # of an epoch, a second each as planned


class Clock:
    """Seconds that pass with the steps of a network."""

    def __init__(self, seconds=lambda number: 1.0):
        self.now, self.seconds = 100.0, seconds

    def step(self, number, images):
        self.now += self.seconds(number)

    def __call__(self):
        return self.now


def trained(clock, limit_s, folder=None, on_epoch=lambda epoch, row: None):
    network = Network(clock.step)
    deadline = Deadline(limit_s, STEPS, 0.0, 0.0, clock.now, clock)
    found = fit(network, problem(num_images=25), SETTINGS, deadline=deadline, checkpoint=folder, on_epoch=on_epoch)
    return found, torch.cat([value.flatten() for value in network.parameters()]).detach(), clock.now - 100


def test_a_training_that_is_in_time_is_the_one_without_a_limit():
    bounded, weights, _ = trained(Clock(), 8 * STEPS * 1.01)
    free, others, _ = trained(Clock(), float("inf"))
    assert bounded.history == free.history and torch.equal(weights, others)
    assert not bounded.course.is_shortened


@pytest.mark.parametrize(
    "seconds",
    [
        pytest.param(lambda number: 2.0, id="twice as slow"),
        pytest.param(lambda number: 1.0 if number < 15 else 4.0, id="slow in the second half"),
        pytest.param(lambda number: 9.0 if number == 30 else 1.0, id="a long pause"),
        pytest.param(lambda number: 1.0 + number % 3, id="uneven"),
    ],
)
def test_a_slower_machine_ends_in_time_with_a_low_rate(seconds):
    limit = 8 * STEPS * 1.05
    found, _, used = trained(Clock(seconds), limit)
    rates = [row["learning_rate"] for row in found.history]
    assert used <= 1.1 * limit
    assert found.course.is_shortened and found.course.end < 8
    assert rates[-1] < 0.02 * max(rates)
    assert len(found.history) == int(np.ceil(found.course.end))
    assert "of 8 epochs" in found.course.told()


def test_a_slow_moment_before_half_of_the_time_shortens_nothing():
    found, _, _ = trained(Clock(lambda number: 3.0 if number < 5 else 1.0), 60)
    assert not found.course.is_shortened


def test_a_resumed_training_continues_the_clock_and_the_course(tmp_path):
    class KilledError(Exception):
        pass

    def kill(epoch, row):
        if epoch == 3:
            raise KilledError

    whole, weights, used = trained(Clock(lambda number: 2.0), 42)
    clock = Clock(lambda number: 2.0)
    with pytest.raises(KilledError):
        trained(clock, 42, tmp_path, kill)
    kept = torch.load(io.BytesIO((tmp_path / checkpoint.NAME).read_bytes()[32:]), weights_only=True)
    assert kept["used_s"] == 30 and kept["course"]["end"] == whole.course.end < 8
    clock.now = 5000.0  # as after a night
    resumed, others, _ = trained(clock, 42, tmp_path)
    assert resumed.history == whole.history and torch.equal(weights, others)
    assert clock.now - 5000 == used - 30


def test_a_shortened_course_passes_through_the_whole_schedule():
    course = Course(10, 10).ending(4.0, 6.0)
    assert [course.scheduled(position) for position in (4.0, 5.0, 6.0)] == [4.0, 7.0, 10.0]
    again = course.ending(5.0, 5.5)
    assert [again.scheduled(position) for position in (5.0, 5.25, 5.5)] == [7.0, 8.5, 10.0]
    assert rate_factor("cosine", again.scheduled(5.5), 10, 1.0) == pytest.approx(0.0, abs=1e-6)
    assert dataclasses.replace(course, end=4.0).scheduled(4.0) == 4.0
