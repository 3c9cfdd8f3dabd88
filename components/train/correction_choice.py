"""Which corrections `auto` makes: those from which a linear model gains on the validation images, and else none."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, get_args

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import torch

from components.train.config import TrainConfig
from components.train.on_vectors import Source, fit_family
from darkroom.images import Images
from darkroom.manifest import Manifest
from darkroom.networks.embedder import Vectors, choose_place, embedder
from darkroom.networks.families import ON_VECTORS, PROBE
from darkroom.networks.pretrained import Backbone
from darkroom.notes import Note, tell
from darkroom.preprocessing.corrections import KINDS, Pixels
from darkroom.system.config import dump
from darkroom.system.parallel import ordered
from darkroom.training import devices
from darkroom.training.decoded import ImageFiles
from darkroom.training.examples import decoded
from darkroom.training.heads import FittedHead, read_vector_problem
from darkroom.training.kept_result import kept_result
from darkroom.training.validation import compared_by, error_of, score

NAME = "corrections.json"
BATCH_SIZE = 8


class Computed(dict[str, npt.NDArray[np.float32]]):
    """Vectors by the ids of their images."""

    def of(self, names: Iterable[str]) -> npt.NDArray[np.float32]:
        """The vectors of some images, `(len(names), D) float32`."""
        return np.stack([self[name] for name in names])


@dataclass(frozen=True)
class Sample:
    """Some of the images, on which corrections are tried.

    Attributes:
        packed: Images, copies included.
        rows: Some training and validation images.
        backbone: Whose features a linear model is learnt from.
        compute: From pictures to its vectors.
    """

    packed: Images
    rows: Manifest
    backbone: Backbone
    compute: Callable[[Pixels], Vectors]

    def fitted(self, config: TrainConfig) -> FittedHead:
        """A linear model on the vectors of the corrected images."""
        names, recipe = self.rows.column("image_id"), replace(self.backbone.recipe, corrections=config.corrections, fill=config.fill)
        files = ImageFiles(self.packed, names, self.rows.column("path"), recipe)
        pictures = decoded(files, torch.from_numpy(self.rows.targets()))

        def vectors(start: int) -> npt.NDArray[np.float32]:
            some = pictures.picked(torch.arange(start, min(start + BATCH_SIZE, len(names)))).numpy()
            batch = np.zeros((BATCH_SIZE, *some.shape[1:]), np.uint8)  # always as large: a vector depends on its own picture alone
            batch[: len(some)] = some
            return self.compute(batch)[0][: len(some)]

        with devices.threads(1):  # of torch: the threads that call it are as many as there are cores
            found = np.concatenate(list(ordered(vectors, range(0, len(names), BATCH_SIZE))))
        known = Computed(zip(names, found, strict=True))
        return fit_family(PROBE, read_vector_problem(known, self.rows, config.class_balance, config.weight_column), config)


def settle_corrections(
    packed: Images, table: Manifest, source: Source, config: TrainConfig, checkpoints: Path | None
) -> tuple[TrainConfig, tuple[Note, ...]]:
    """The settings with a value for each correction that is `auto`, and what is told of the choice; a resumed training has the same.

    One correction after the other is tried; one stays if a linear model on the features that `embed`'s backbone finds in the corrected
    images is better than without it by more than the standard error of the measure that chooses the epoch.

    Args:
        packed: Images, copies included.
        table: All rows.
        source: Whose backbone finds the features.
        config: The settings as given.
        checkpoints: A folder where the choice is kept, or none.
    """
    if not config.undecided:
        return config, ()
    find = partial(_tried, packed, table, source, config)
    found = kept_result(checkpoints and checkpoints / NAME, dump(config), find)
    return config.model_copy(update=found["chosen"]), tell("train", [found["told"]])


def _tried(packed: Images, table: Manifest, source: Source, config: TrainConfig) -> dict[str, Any]:
    """The values that are chosen, and a sentence about them, see `settle_corrections`."""
    asked, few = config.undecided, _few(table, config)
    config = config.model_copy(update=dict.fromkeys(asked, "none"))
    numbers = {split: len(few.where(split)) for split in ("train", "validation")}
    if config.model in ON_VECTORS or numbers["train"] < 2 or not numbers["validation"]:
        why = f"{config.model} is learnt from embeddings" if config.model in ON_VECTORS else "there are no images to measure a gain on"
        return {"chosen": dict.fromkeys(asked, "none"), "told": f"corrections that are auto make none: {why}"}
    device: Any = devices.choose(config.device).type
    sample = Sample(packed, few, source.backbone, embedder(source.backbone, choose_place(device, "float32")))
    best, tried, monitor = sample.fitted(config), list[str](), compared_by(config.monitor)
    start, error = best.validated.row[f"validation_{monitor}"], error_of(best.validated, monitor)
    for name in asked:
        for value in get_args(KINDS[name])[1:]:
            candidate = config.model_copy(update={name: value})
            found = sample.fitted(candidate)
            tried.append(f"{found.validated.row[f'validation_{monitor}']:.4f} with {value}")
            if score(found.validated.row, monitor) > score(best.validated.row, monitor) + error:
                best, config = found, candidate
    chosen = {name: getattr(config, name) for name in asked}
    measured = (
        f"{monitor} of a linear model on {source.backbone.name} features of {numbers['train']:,} training and {numbers['validation']:,} "
        f"validation images is {start:.4f} without, {', '.join(tried)}; a gain counts above {error:.4f}"
    )
    return {"chosen": chosen, "told": f"auto chose {', '.join(f'train.{name}={value}' for name, value in chosen.items())}: {measured}"}


def _few(table: Manifest, config: TrainConfig) -> Manifest:
    """Some of the training images that are no copies, and of the validation images."""
    splits, copies = np.array(table.column("split")), np.array(table.is_copy, bool)
    rng, half = np.random.default_rng(config.seed), config.auto_correction_images // 2
    rows = [np.sort(rng.permutation(np.flatnonzero((splits == split) & ~copies))[:half]) for split in ("train", "validation")]
    return replace(table, table=table.table.take(pa.array(np.concatenate(rows), pa.int64())))
