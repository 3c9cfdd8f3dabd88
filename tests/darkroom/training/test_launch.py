"""Several processes train what one process trains: the same losses and weights, the same after a kill, and no process left behind."""

import dataclasses
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch

from darkroom.augmentation.policy import Operation, Policy
from darkroom.networks.network import build
from darkroom.system.errors import InputError
from darkroom.training import handover
from darkroom.training.batches import Normalise
from darkroom.training.deadline import Course
from darkroom.training.drawn_batch import draw_batch
from darkroom.training.examples import Examples
from darkroom.training.handover import Work
from darkroom.training.hyperparameters import Settings
from darkroom.training.launch import fit_together
from darkroom.training.loop import fit
from darkroom.training.problem import Problem
from darkroom.training.trainer import Fitted
from darkroom.training.worker import MEMORY
from darkroom.training.world import World

SETTINGS = Settings(2, batch_size=16, learning_rate=2e-3, mixing=0.3, cutmix=0.3, monitor="loss", ema_decay=0.9, device="cpu")


def problem(num_images=70, side=16):
    generator = torch.Generator().manual_seed(1)
    targets = torch.arange(num_images) % 3
    pixels = torch.randint(0, 120, (num_images, side, side, 3), dtype=torch.uint8, generator=generator)
    pixels += (targets * 60).to(torch.uint8)[:, None, None, None]
    policy = Policy(
        operations=(
            Operation(name="rotation", probability=0.5, low=-20, high=20),
            Operation(name="brightness", probability=0.5, low=0.8, high=1.2),
            Operation(name="noise", probability=0.5, high=0.05),
            Operation(name="erasing", probability=0.5, high=0.2),
        )
    )
    held_out, units = Examples(pixels[:22], targets[:22]), np.arange(22)
    return Problem(Examples(pixels[22:], targets[22:]), held_out, units, policy, ("a", "b", "c"), "multiclass", (0.4,) * 3, (0.3,) * 3)


def work(settings=SETTINGS, architecture="small_cnn", dropout=0.3, **options):
    torch.manual_seed(0)
    network = build(architecture, 3, side_px=16, dropout=dropout)
    known = problem()
    if settings.weight_column:  # whose values stand with the images
        weights = 1.0 + torch.arange(len(known.train)) % 4
        known = dataclasses.replace(known, image_weights=weights / weights.mean())
    return network, Work(architecture, dropout, network.state_dict(), known, settings, num_threads=1, **options)


def weights_of(network):
    return torch.cat([value.flatten().double() for value in network.state_dict().values()])


def alone(settings=SETTINGS, **given):
    network, shared = work(settings, **given)
    return fit(network, shared.problem, settings), weights_of(network)


def together(settings=SETTINGS, num_processes=2, on_epoch=lambda epoch, row: None, **given):
    network, shared = work(settings, **given)
    return fit_together(network, shared, num_processes, on_epoch), weights_of(network)


def losses(fitted):
    return [row[name] for row in fitted.history for name in ("train_loss", "validation_loss")]


def test_images_are_prepared_alike_whichever_are_beside_them():
    examples, policy, cpu, generator = problem().train, problem().policy, torch.device("cpu"), torch.Generator().manual_seed(0)
    rows, mixed = torch.arange(16), 0
    for _ in range(12):
        batch = draw_batch(examples, rows, 16, policy, SETTINGS, Normalise((0.4,) * 3, (0.3,) * 3, cpu), cpu, generator)
        whole = batch.prepare(slice(0, 16))
        parts = [batch.prepare(World(rank, 3).share(slice(0, 16))) for rank in range(3)]
        mixed += batch.mixture.partners is not None
        for number in range(3):
            torch.testing.assert_close(torch.cat([part[number] for part in parts]), whole[number], rtol=0, atol=1e-5)
    assert 0 < mixed < 12


class Acted:
    """Processes that are none: they report some epochs, and fail as they are told, or end."""

    def __init__(self, failures):
        self.failures, self.parts = list(failures), []

    def __call__(self, folder):
        self.folder = folder
        return self

    def start(self):
        found = handover.read_work(self.folder)
        self.parts.append(found.min_parts)
        for epoch in (1, 2):
            handover.write_epoch(self.folder, epoch, {"train_loss": float(found.min_parts)})
        if not self.failures:
            handover.write_result(self.folder, found.network(), Fitted([{"epoch": 1.0}], 1, (0.5,), course=Course(2, 2.0)))

    def join_for(self, seconds):
        return True

    def failure(self):
        return self.failures.pop(0) if self.failures else None

    def end(self):
        assert not self.folder.exists()


def test_where_memory_is_short_all_begin_again_with_more_parts_and_no_epoch_is_told_twice(tmp_path, capsys):
    network, shared = work()
    acted, rows = Acted([(MEMORY, "CUDA out of memory")] * 2), []
    fitted = fit_together(network, shared, 2, lambda epoch, row: rows.append((epoch, row)), acted, tmp_path)
    assert acted.parts == [1, 2, 4]
    assert rows == [(1, {"train_loss": 1.0}), (2, {"train_loss": 1.0})]
    assert (fitted.thresholds, fitted.course) == ((0.5,), Course(2, 2.0))
    assert "in 4 parts" in capsys.readouterr().out
    with pytest.raises(InputError, match="memory does not suffice"):
        fit_together(network, shared, 8, launch=Acted([(MEMORY, "CUDA out of memory")] * 2), root=tmp_path)


def test_the_processes_have_the_stages_of_an_earlier_versions_small_network(tmp_path):
    network, shared = work()
    network.take_stages(["stages.3.conv1.weight"])
    handover.write_work(tmp_path, dataclasses.replace(shared, weights=network.state_dict()))
    assert torch.equal(weights_of(handover.read_work(tmp_path).network()), weights_of(network))


@pytest.mark.parametrize(("kind", "error"), [("input", InputError), ("internal", RuntimeError)])
def test_a_failure_keeps_its_kind(tmp_path, kind, error):
    network, shared = work()
    with pytest.raises(error, match="too bad"):
        fit_together(network, shared, 2, launch=Acted([(kind, "too bad")]), root=tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changes", "num_processes"),
    [
        ({"optimizer": "sgd", "learning_rate": 0.05, "class_balance": "weights", "clip_norm": 0.5, "accumulate": 2}, 2),
        ({"freeze_batch_norm": True}, 3),
        ({"optimizer": "sgd", "learning_rate": 0.05, "class_balance": "weights", "weight_column": "trust"}, 2),
    ],
)
def test_the_loss_curve_is_that_of_one_process(changes, num_processes, capfd):
    settings, rows = dataclasses.replace(SETTINGS, **changes), []
    one, weights = alone(settings)
    if settings.weight_column:
        assert losses(one) != losses(alone(dataclasses.replace(settings, weight_column=""))[0])
    capfd.readouterr()
    many, same = together(settings, num_processes, lambda epoch, row: rows.append((epoch, row)))
    assert losses(many) == pytest.approx(losses(one), rel=1e-3)
    torch.testing.assert_close(same, weights, rtol=1e-2, atol=1e-3)
    assert (many.best_epoch, many.thresholds) == (one.best_epoch, one.thresholds)
    assert rows == list(enumerate(many.history, start=1))
    assert [line.split()[1] for line in capfd.readouterr().out.splitlines()] == ["1/2", "2/2"]


@pytest.mark.slow
def test_a_killed_process_ends_all_and_the_training_resumes_where_it_was(tmp_path):
    def kill_one(epoch, row):
        if epoch == 1:
            workers()[-1].kill()

    settings = dataclasses.replace(SETTINGS, epochs=4)
    _, weights = together(settings)
    with pytest.raises(RuntimeError, match="SIGKILL"):
        together(settings, on_epoch=kill_one, checkpoint=tmp_path)
    assert workers() == []
    rows = []
    _, resumed = together(settings, on_epoch=lambda epoch, row: rows.append(epoch), checkpoint=tmp_path)
    assert rows == [1, 2, 3, 4]
    assert torch.equal(resumed, weights)


@pytest.mark.slow
def test_a_mistake_is_told_as_one():
    with pytest.raises(InputError, match=r"train\.learning_rate"):
        together(dataclasses.replace(SETTINGS, optimizer="sgd", learning_rate=1e20))


@pytest.mark.slow
def test_no_process_outlives_the_one_that_started_it():
    imported = "from dataclasses import replace; from tests.darkroom.training.test_launch import SETTINGS, together"
    code = f"{imported}; together(replace(SETTINGS, epochs=10**5))"
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.DEVNULL, cwd=Path(__file__).parents[3])
    wait_for(lambda: len(workers(parent.pid)) == 2)  # which have not begun yet
    started = workers(parent.pid)
    parent.kill()
    parent.wait()
    _, left = psutil.wait_procs(started, timeout=120)
    assert left == []


def workers(parent=None):
    """Processes that train for a process, this one where none is named."""
    found = psutil.Process(parent).children(recursive=True)
    return [process for process in found if "darkroom.training.worker" in " ".join(process.cmdline())]


def wait_for(is_so, timeout_s=120):
    end = time.monotonic() + timeout_s
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.2)
