"""A sample of the training images as they are, on which a trained network is compared with the validation images.

The training loss of an epoch can't be compared with the validation loss: its images are augmented and mixed, features are dropped, and
the weights change from batch to batch.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from darkroom.metrics.baseline import constant_answer
from darkroom.training import devices, validation
from darkroom.training.batches import Normalise
from darkroom.training.hyperparameters import Settings
from darkroom.training.losses import make_loss
from darkroom.training.problem import Problem

MAX_IMAGES = 2000


def sample_rows(is_copy: Sequence[bool], num_validation: int) -> Tensor:
    """Rows of delivered training images, as many as there are validation images, but at most `MAX_IMAGES`; always the same ones.

    Args:
        is_copy: Whether a training image is an augmented copy, which is left out.
        num_validation: Validation images.

    Returns:
        `(n,) int64`, ascending.
    """
    rows = torch.tensor([row for row, copy in enumerate(is_copy) if not copy], dtype=torch.int64)
    order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(0))
    return rows[order[: min(num_validation, MAX_IMAGES)]].sort().values


def measure_sample(network: nn.Module, problem: Problem, settings: Settings, rows: Tensor, measure: str) -> tuple[dict[str, float], float]:
    """Measures a trained network on training images as validation measures it on others.

    Args:
        network: On the CPU, in `eval` mode, where it is left.
        problem: What was learnt.
        settings: How.
        rows: Of the training images, `(n,) int64`.
        measure: What the best constant answer is measured by.

    Returns:
        Loss and measures by name, empty where there is no row; and what the best constant answer reaches on the same images, 0 for
        multi-label.
    """
    device = devices.choose(settings.device)
    train = problem.train
    sample = train.at(rows).to(device)
    one_each = dataclasses.replace(problem, validation_units=np.arange(len(rows)))
    loss = make_loss(problem.task, train.targets, len(problem.classes), settings, problem.image_weights)
    normalise = Normalise(problem.mean, problem.std, device)
    half = devices.short_validation(settings.mixed_precision, device)
    found = validation.validate(network.to(device), one_each, sample, loss, normalise, half, settings.threshold_prior_images)
    network.to("cpu")
    measures = {name.removeprefix("validation_"): value for name, value in found.row.items()}
    if found.predictions is None or problem.task == "multilabel":  # where the best of many constant answers takes long to find
        return measures, 0.0
    return measures, constant_answer(found.predictions, measure)[0].measures().get(measure, 0.0)
