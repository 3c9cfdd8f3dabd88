"""Loader efficiency: a training step as it runs beside the same step on one batch that lies ready, in turn, in one run.

`python benchmarks/loader.py ../shared/data/clothing_small --model lite0 --sides 64 128 160`
`python benchmarks/loader.py cifar10 --model small_cnn --sides 32`

A step as it runs takes its images from where the loader keeps them, augments them and learns from them. The batch that lies ready is drawn
once: with augmentation it is augmented in each step, as on a GPU script; without, it is what the network gets.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import torch
from torch import Tensor

from components.augment.augment import augment
from components.augment.config import AugmentConfig
from components.ingest.config import IngestConfig
from components.ingest.ingest import ingest
from components.split.config import SplitConfig
from components.split.split import split
from darkroom import manifest
from darkroom.images import Images
from darkroom.networks.network import build
from darkroom.preprocessing.recipe import Recipe
from darkroom.system.cores import num_cores, share_cores
from darkroom.training import devices
from darkroom.training.drawn_batch import DrawnBatch, Prepared, draw_batch
from darkroom.training.hyperparameters import Settings
from darkroom.training.problem import Problem, read_problem
from darkroom.training.trainer import Trainer

BLOCK, ROUNDS = 8, 7  # steps timed at once, and how often; the first round warms up


class Ready:
    """A batch that was prepared before; stands for a `DrawnBatch` whose parts are never asked for."""

    def __init__(self, batch: DrawnBatch) -> None:
        self.mixture, self._prepared = batch.mixture, batch.prepare(slice(0, len(batch.rows)))

    def prepare(self, _: slice) -> Prepared:
        """What was prepared."""
        return self._prepared


def prepare(source: Path, place: Path) -> tuple[Images, manifest.Manifest, Path]:
    """The steps before `train`, as far as the loader needs them."""
    ingest(source, place / "images", place / "manifest", config=IngestConfig())
    split(place / "manifest", place / "splits", config=SplitConfig(leaks="warn"))
    outputs = [place / name for name in ("augmented_images", "examples", "policy", "contact_sheet")]
    augment(place / "images", place / "splits", *outputs, config=AugmentConfig(max_copies=0))
    return Images(place / "images"), manifest.read(place / "examples"), place / "policy"


def efficiencies(problem: Problem, model: str, side_px: int) -> tuple[float, float, float]:
    """Milliseconds of a running step, and the share of them that a ready batch takes, augmented and as the network gets it."""
    trainer = Trainer(build(model, len(problem.classes), side_px=side_px), problem, Settings(epochs=ROUNDS + 1))
    with trainer.computing():
        order, augmenting = trainer.begin(0)
        trainer.use_rate(1e-4)
        first = order[0]
        ready = Ready(_drawn(trainer, first, augmenting))

        def running() -> None:
            for rows in trainer.train.ahead(order[:BLOCK]):
                trainer.step(rows, augmenting)

        def on_one_batch() -> None:
            for _ in range(BLOCK):
                trainer.step(first, augmenting)

        def on_ready_batch() -> None:
            with mock.patch("darkroom.training.trainer.draw_batch", lambda *_: ready):
                on_one_batch()

        taken = [[_seconds(work) for work in (running, on_one_batch, on_ready_batch)] for _ in range(ROUNDS)][1:]
    whole, augmented, prepared = (statistics.median(column) for column in zip(*taken, strict=True))
    return 1000 * whole / BLOCK, augmented / whole, prepared / whole


def _drawn(trainer: Trainer, rows: Tensor, generator: torch.Generator) -> DrawnBatch:
    return draw_batch(
        trainer.train, rows, trainer.side_px, trainer.problem.policy, trainer.settings, trainer.normalise, trainer.device, generator
    )


def _seconds(work: Callable[[], None]) -> float:
    start = time.perf_counter()
    work()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - start


def main() -> None:
    """Prints a line a side."""
    share_cores()  # as every step
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path, help="data as ingest takes them")
    parser.add_argument("--model", default="lite0")
    parser.add_argument("--sides", type=int, nargs="+", default=[64, 128, 160])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, devices.threads("auto"):
        images, table, policy = prepare(options.source, Path(folder))
        print(f"{options.source}: {len(table):,} images, {options.model}, {num_cores()} cores", flush=True)
        for side_px in options.sides:
            problem = read_problem(images, table, policy, Recipe(side_px))
            step_ms, augmented, prepared = efficiencies(problem, options.model, side_px)
            print(
                f"{side_px} px: a step takes {step_ms:.1f} ms; the loader's efficiency is {augmented:.3f}, with augmentation {prepared:.3f}"
            )


if __name__ == "__main__":
    main()
