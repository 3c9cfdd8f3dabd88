"""Models that are learnt from embeddings: the floor of every run, and the families that `train.model` may name."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from components.train.config import TrainConfig
from components.train.unused_settings import OF_ONE
from darkroom.embeddings import Embeddings
from darkroom.manifest import Manifest
from darkroom.model import ModelCard
from darkroom.networks import export
from darkroom.networks.backbones import embedding_backbone
from darkroom.networks.composition import save_composed
from darkroom.networks.families import PROBE, Family, composed
from darkroom.networks.pretrained import Backbone
from darkroom.networks.probe import Probe
from darkroom.networks.same_padding import with_constant_padding
from darkroom.notes import Note
from darkroom.system.errors import InputError
from darkroom.training import devices
from darkroom.training.heads import FittedHead, VectorProblem, fit_best, read_vector_problem

FLOOR: Family = "logistic_regression"
MEGABYTE = 2**20


@dataclass(frozen=True)
class Source:
    """What models on embeddings are learnt from.

    Attributes:
        problem: Vectors and labels.
        backbone: What made the vectors.
        notes: What `embed` has to say.
    """

    problem: VectorProblem
    backbone: Backbone
    notes: tuple[Note, ...] = ()


def read_source(embeddings: Path, table: Manifest, config: TrainConfig) -> Source:
    """Reads vectors and labels.

    Args:
        embeddings: Of all images.
        table: All rows, with their `split`.
        config: How classes are balanced, and the column of weights.
    """
    known = Embeddings(embeddings)
    problem = read_vector_problem(known, table, config.class_balance, config.weight_column)
    return Source(problem, embedding_backbone(embeddings, known.origin), known.notes)


def fit_family(family: str, problem: VectorProblem, config: TrainConfig) -> FittedHead:
    """Fits what `train.model` names; a probe is the layer of a logistic regression.

    Args:
        family: `probe`, or a classical model.
        problem: What is to be learnt.
        config: Settings, or `auto`, and the measure on the validation images that decides among them.

    Raises:
        InputError: Fewer than two images have a vector.
    """
    if len(problem.train) < 2:
        raise InputError(f"{len(problem.train)} training images have an embedding, at least 2 are needed: give more data")
    known: Family = FLOOR if family == PROBE else family  # type: ignore[assignment]
    given: dict[str, Any] = {name: getattr(config, name) if OF_ONE.get(family) == name else "auto" for name in set(OF_ONE.values())}
    with devices.threads(config.num_threads):
        return fit_best(known, problem, given, config.monitor, config.threshold_prior_images, config.seed)


def check_size(fitted: FittedHead, backbone: Backbone, max_bundle_mb: float) -> None:
    """Refuses a model whose bundle would be larger than is allowed; a bundle holds the backbone twice, in its graph and for torch.

    Raises:
        InputError: It is.
    """
    weights = sum(value.nbytes for value in backbone.network.state_dict().values())
    size = (fitted.head.graph.ByteSize() + 2 * weights) / MEGABYTE
    if size > max_bundle_mb:
        remedy = "raise it, set train.num_trees lower, or name another train.model"
        raise InputError(f"the model takes {size:.0f} MB, train.max_bundle_mb allows {max_bundle_mb:g}: {remedy}")


def save_family(folder: Path, family: str, fitted: FittedHead, source: Source, provenance: Mapping[str, Any]) -> ModelCard:
    """Writes a model that was learnt from embeddings, backbone included.

    Args:
        folder: The model's folder.
        family: `probe`, or a classical model.
        fitted: What was learnt.
        source: What from.
        provenance: What the card says of it.

    Returns:
        The model's card.
    """
    trunk = source.backbone
    card = _card(family, fitted, source.problem, trunk, provenance)
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


def _card(family: str, fitted: FittedHead, problem: VectorProblem, trunk: Backbone, provenance: Mapping[str, Any]) -> ModelCard:
    return ModelCard(
        architecture=composed(family, trunk.name),
        classes=problem.classes,
        task=problem.task,
        mean=trunk.mean,
        std=trunk.std,
        thresholds=fitted.thresholds,
        provenance=provenance,
        **vars(trunk.recipe),
    )
