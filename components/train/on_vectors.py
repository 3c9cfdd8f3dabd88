"""Models that are learnt from embeddings: the floor of every run, and the families that `train.model` may name."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from darkroom.model import ModelCard
from darkroom.networks import export
from darkroom.networks.backbones import backbone_of
from darkroom.networks.composition import save_composed
from darkroom.networks.families import PROBE, Family, composed
from darkroom.networks.pretrained import Backbone
from darkroom.networks.probe import Probe
from darkroom.networks.same_padding import with_constant_padding
from darkroom.system.errors import InputError
from darkroom.training.heads import FittedHead, VectorProblem, fit_best
from darkroom.training.hyperparameters import Auto

FLOOR: Family = "logistic_regression"
MEGABYTE = 2**20


def fit_family(
    family: str, problem: VectorProblem, given: Mapping[str, float | Auto], monitor: str, prior_images: float, seed: int
) -> FittedHead:
    """Fits what `train.model` names; a probe is the layer of a logistic regression.

    Args:
        family: `probe`, or a classical model.
        problem: What is to be learnt.
        given: `regularization`, `num_trees` and `num_neighbours`, or `auto`.
        monitor: The measure on the validation images that decides.
        prior_images: How much few images hold the thresholds back.
        seed: Decides samples and trees.

    Raises:
        InputError: Fewer than two images have a vector.
    """
    if len(problem.train) < 2:
        raise InputError(f"{len(problem.train)} training images have an embedding: train.model {family!r} needs 2; give more data")
    known: Family = FLOOR if family == PROBE else family  # type: ignore[assignment]
    return fit_best(known, problem, given, monitor, prior_images, seed)


def save_family(
    folder: Path,
    family: str,
    fitted: FittedHead,
    problem: VectorProblem,
    backbone: str,
    provenance: Mapping[str, Any],
    max_bundle_mb: float,
) -> ModelCard:
    """Writes a model that was learnt from embeddings, backbone included.

    Args:
        folder: The model's folder.
        family: `probe`, or a classical model.
        fitted: What was learnt.
        problem: What from.
        backbone: What made the embeddings, see `darkroom.embeddings.Origin`.
        provenance: What the card says of it.
        max_bundle_mb: Size from which on the model is refused.

    Returns:
        The model's card.

    Raises:
        InputError: The model is larger; nothing is left of it.
    """
    trunk = backbone_of(backbone)
    card = _card(family, fitted, problem, trunk, provenance)
    size = (fitted.head.graph.ByteSize() + 2 * _num_bytes(trunk)) / MEGABYTE
    if size > max_bundle_mb:
        raise InputError(
            f"the model takes {size:.0f} MB, train.max_bundle_mb is {max_bundle_mb:g}: raise it, or set train.num_trees lower or another "
            "train.model"
        )
    if family == PROBE:
        export.save_model(folder, probe_of(trunk, fitted, len(card.classes)), card)
    else:
        save_composed(folder, trunk, fitted.head.graph, card)
    return card


def probe_of(trunk: Backbone, fitted: FittedHead, num_classes: int) -> Probe:
    """The network that answers as a logistic regression on its backbone's vectors does."""
    layer = fitted.head.linear
    assert layer is not None
    probe = Probe(with_constant_padding(trunk.network, trunk.recipe.side_px), trunk.num_features, num_classes)
    with torch.no_grad():
        probe.head.weight.copy_(torch.from_numpy(layer.weight))
        probe.head.bias.copy_(torch.from_numpy(np.ascontiguousarray(layer.bias)))
    return probe.eval()


def history_of(fitted: FittedHead) -> list[dict[str, float]]:
    """The one row of a history that a fit without epochs has."""
    return [{"epoch": 1.0, **fitted.validated.row}]


def _card(family: str, fitted: FittedHead, problem: VectorProblem, trunk: Backbone, provenance: Mapping[str, Any]) -> ModelCard:
    recipe = trunk.recipe
    return ModelCard(
        architecture=composed(family, trunk.name),
        classes=problem.classes,
        task=problem.task,
        side_px=recipe.side_px,
        mean=trunk.mean,
        std=trunk.std,
        thresholds=fitted.thresholds,
        provenance=provenance,
        resampling=recipe.resampling,
        center_crop=recipe.center_crop,
    )


def _num_bytes(trunk: Backbone) -> int:
    """Bytes of a backbone's weights, which a bundle holds twice: in its graph, and for torch."""
    return sum(value.nbytes for value in trunk.network.state_dict().values())
