"""The problem that a training solves, read from the artifacts of the steps before."""

import dataclasses
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from darkroom import groups
from darkroom.augmentation import policy
from darkroom.augmentation.policy import Policy
from darkroom.images import Images
from darkroom.manifest import Manifest
from darkroom.metrics.measures import Ints
from darkroom.preprocessing.recipe import Recipe
from darkroom.task import Task
from darkroom.training import examples
from darkroom.training.examples import Inputs
from darkroom.training.sample_weights import image_weights


@dataclasses.dataclass(frozen=True)
class Problem:
    """What is to be learnt.

    Attributes:
        train: Images to learn from.
        validation: Images that choose the epoch; may be empty.
        validation_units: `(N,)` numbers from 0 without a gap: validation images of one number, such as a patient's, count as one.
        policy: How training images are changed on the fly.
        classes: Class names in the order of the outputs.
        task: `binary`, `multiclass` or `multilabel`.
        mean: Of each channel over the training images, 0 to 1.
        std: Standard deviation of each channel, 0 to 1.
        image_weights: How much each training image counts, `(N,) float32` on the CPU, whose mean is 1; none: all as much.
    """

    train: Inputs
    validation: Inputs
    validation_units: Ints
    policy: Policy
    classes: tuple[str, ...]
    task: Task
    mean: tuple[float, ...]
    std: tuple[float, ...]
    image_weights: Tensor | None = None


def read_problem(source: Images, table: Manifest, policy_file: Path, recipe: Recipe, weight_column: str = "") -> Problem:
    """Decodes what there is to learn from.

    Args:
        source: Packed images, copies included.
        table: All rows, with their `split`.
        policy_file: What is done to training images on the fly.
        recipe: How each image is resized.
        weight_column: The user's column of weights, see `darkroom.training.sample_weights`; empty: none.

    Raises:
        InputError: An image can't be decoded, or has no weight.
    """
    weights = image_weights(table.where("train"), weight_column)
    all_rows, rows = table.learnt_from(), table.where("validation")
    known, splits = examples.load(source, all_rows, recipe), np.array(all_rows.column("split"))
    training, validating = (known.at(torch.from_numpy(np.flatnonzero(splits == split))) for split in ("train", "validation"))
    units = groups.independent_units(groups.grouping_columns(rows)) if len(validating) else np.zeros(0, np.int64)
    mean, std = examples.channel_statistics(training)
    counting = None if weights is None else torch.from_numpy(weights)
    return Problem(training, validating, units, policy.read(policy_file), table.classes, table.task, mean, std, counting)
