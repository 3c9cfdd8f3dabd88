"""What the default reaches on a data set, beside a plain fine-tuning of the same weights in a given time, on the same splits.

`python benchmarks/training.py ../shared/data/weather4 ../shared/data/clothing_small --seeds 3`

`python benchmarks/training.py ../shared/data/bccd_multilabel --folds 5`

For each seed of split and training: `darkroom run` with its defaults, scored on the test split; and the peer: EfficientNet-Lite0
with its ImageNet weights, 224 px, AdamW, one cosine, mirrored at random, stopped by the clock. Nothing is chosen on test. With
`--folds`, for data that have few images of a kind, each image is tested on once: in a run for each of so many stratified folds.
"""

import argparse
import json
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import timm
import torch
import torch.nn.functional as F
from scipy.sparse import csr_array
from torch import Tensor, nn

from components.clean.clean import clean
from components.clean.config import CleanConfig
from components.embed.config import EmbedConfig
from components.embed.embed import embed
from components.ingest.config import IngestConfig
from components.ingest.ingest import ingest
from components.split.config import SplitConfig
from components.split.split import split
from darkroom import manifest
from darkroom.folds import assign_folds
from darkroom.groups import grouping_columns, independent_units
from darkroom.images import Images
from darkroom.manifest import Manifest
from darkroom.metrics.measures import measures
from darkroom.model import decide
from darkroom.networks.pretrained import MEAN, STD, packaged_state
from darkroom.preprocessing.recipe import Recipe
from darkroom.system.cores import num_cores, share_cores
from darkroom.training.examples import Examples, load

NETWORK, SIDE_PX, BATCH, RATE = "tf_efficientnet_lite0", 224, 32, 1e-3
GOALS = {  # measure, and the goal in 300 s of training
    "clothing_small": ("accuracy", 0.94),
    "weather4": ("accuracy", 0.985),
    "bccd_multilabel": ("balanced_accuracy", 0.75),
    "cifar10": ("accuracy", 0.90),
}


class Trial(NamedTuple):
    """A split and a training.

    Attributes:
        seed: Of both.
        previous: An assignment to splits that is kept, or none.
        split: Settings of `split` beside these.
    """

    seed: int
    previous: Path | None = None
    split: Mapping[str, Any] = MappingProxyType({})


def folds(data: Path, number: int, place: Path) -> list[Trial]:
    """Trials, in each of which another fold of the images is tested on, and no other image; two or more."""
    table = manifest.read(_cleaned(data, place))
    labels = csr_array([[name in shown for name in table.classes] for shown in table.label_lists()]).astype(np.int64)
    units, exclusive = independent_units(grouping_columns(table)), table.task != "multilabel"
    fold = assign_folds(labels, units, np.arange(len(table)), number, exclusive=exclusive, seed=0)
    trials = []
    for which in range(number):
        tested, path = table.table.filter(pa.array(fold == which)), place / f"fold-{which}.parquet"
        replace(table, table=manifest.put_column(tested, "split", ["test"] * len(tested))).write(path)
        trials.append(Trial(which, path, {"given": "ignore", "test_fraction": 0.5 / number}))  # which the fold exceeds: none is drawn
    return trials


def _cleaned(data: Path, place: Path) -> Path:
    """The images of a data set as a run with its defaults takes them, with what is tied together."""
    images, embeddings, cleaned = place / "images", place / "embeddings", place / "cleaned"
    ingest(data, images, place / "manifest", config=IngestConfig())
    embed(images, embeddings, config=EmbedConfig())
    clean(images, place / "manifest", cleaned, place / "issues", config=CleanConfig(), embeddings=embeddings)
    return cleaned


def default(data: Path, trial: Trial) -> dict[str, float]:
    """Measures of `darkroom run` with its defaults, the floor's and the pruned model's beside them, and the seconds of `train`."""
    values = [f"split.seed={trial.seed}", f"train.seed={trial.seed}", f"split.previous={trial.previous or 'none'}"]
    values += [f"split.{name}={value}" for name, value in trial.split.items()]
    words = ["run", "--data", str(data), "--json", *(word for value in values for word in ("--set", value))]
    done = subprocess.run([sys.executable, "-m", "pipelines", *words], stdout=subprocess.PIPE, text=True, check=True)
    result = json.loads(done.stdout.strip().splitlines()[-1])
    found = dict(result["metrics"])
    for name in ("floor", "pruned"):
        found |= {f"{name} {measure}": value for measure, value in result.get(name, {}).get("metrics", {}).items()}
    return found | {"seconds": result["steps"]["train"]["seconds"]}


def peer(data: Path, trial: Trial, seconds: float) -> dict[str, float]:
    """Measures of a plain fine-tuning on the same split, stopped by the clock."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        split(_cleaned(data, place), place / "splits", config=SplitConfig(seed=trial.seed, **trial.split), previous=trial.previous)
        table = manifest.read(place / "splits")
        train, test = (load(Images(place / "images"), table.where(name), Recipe(SIDE_PX)) for name in ("train", "test"))
        return _fine_tuned(table, train, test, trial.seed, seconds)


def _fine_tuned(table: Manifest, train: Examples, test: Examples, seed: int, seconds: float) -> dict[str, float]:
    torch.manual_seed(seed)
    network = timm.create_model(NETWORK, num_classes=len(table.classes))
    trunk = {name: value for name, value in packaged_state(NETWORK).items() if not name.startswith("classifier.")}
    network.load_state_dict(trunk, strict=False)
    network = network.to(memory_format=torch.channels_last).train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=RATE)
    start = time.perf_counter()
    for rows in _batches(len(train)):
        done = (time.perf_counter() - start) / seconds
        if done >= 1:
            break
        optimizer.param_groups[0]["lr"] = RATE * min(1.0, 20 * done) * (1 + torch.cos(torch.tensor(torch.pi * done)).item()) / 2
        images, targets = train.pick(rows, torch.device("cpu")), train.targets[rows]
        mirrored = torch.where((torch.rand(len(rows)) < 0.5)[:, None, None, None], images.flip(3), images)
        logits = network(_normalised(mirrored))
        loss = F.binary_cross_entropy_with_logits(logits, targets) if table.task == "multilabel" else F.cross_entropy(logits, targets)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return _scored(network.eval(), table, test)


def _batches(num_images: int) -> Iterator[Tensor]:
    while True:
        yield from torch.split(torch.randperm(num_images)[: num_images // BATCH * BATCH], BATCH)


def _normalised(images: Tensor) -> Tensor:
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (MEAN, STD))
    return ((images - mean) / std).contiguous(memory_format=torch.channels_last)


@torch.no_grad()
def _scored(network: nn.Module, table: Manifest, test: Examples) -> dict[str, float]:
    batches = torch.split(torch.arange(len(test)), 64)
    logits = torch.cat([network(_normalised(test.pick(rows, torch.device("cpu")))) for rows in batches])
    y_score = (logits.sigmoid() if table.task == "multilabel" else logits.softmax(1)).numpy()
    thresholds = {"binary": (0.5,), "multiclass": (), "multilabel": (0.5,) * len(table.classes)}[table.task]
    y_pred = decide(table.task, y_score, thresholds)
    return measures(test.targets.to(torch.int64).numpy(), y_score, y_pred, table.classes, table.task)


def main() -> None:
    """Prints for each data set the means over the seeds: the default, its floor, its pruned model, and the peer."""
    share_cores()  # as every step
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="+", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--folds", type=int, default=0, help="test on each of so many folds once, in place of --seeds")
    parser.add_argument("--peer-seconds", type=float, default=300.0, help="0: no plain fine-tuning")
    options = parser.parse_args()
    if options.folds == 1:
        parser.error("--folds is 1: there must be others to learn from")
    print(f"{platform.processor() or platform.machine()}, {num_cores()} cores, {torch.backends.cpu.get_cpu_capability()}")
    for data in options.data:
        measure, goal = GOALS.get(data.name, ("accuracy", 0.0))
        with tempfile.TemporaryDirectory() as folder:
            trials = folds(data, options.folds, Path(folder)) if options.folds else [Trial(seed) for seed in range(options.seeds)]
            own = [default(data, trial) for trial in trials]
            peers = [peer(data, trial, options.peer_seconds) for trial in trials if options.peer_seconds]
        names = (measure, f"floor {measure}", f"pruned {measure}", "seconds")
        values = [f"{name} {statistics.mean(row[name] for row in own):.3f}" for name in names if all(name in row for row in own)]
        plain = (
            [f"plain fine-tuning for {options.peer_seconds:.0f} s {statistics.mean(row[measure] for row in peers):.3f}"] if peers else []
        )
        each = ", ".join(f"{row[measure]:.3f}" for row in own)
        print(f"{data.name}: {', '.join(values)} (each {each}); {'; '.join([*plain, f'goal {goal:.3f}'])}", flush=True)


if __name__ == "__main__":
    main()
