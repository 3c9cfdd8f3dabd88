"""What is learnt without labels: which images, which network from which weights, and what is told of it."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from components.pretrain.config import PretrainConfig
from components.pretrain.image_choice import held_out, training_images, unlabelled_images, without
from components.pretrain.learner import Learner, projector
from components.pretrain.two_views import view_policy
from darkroom import manifest
from darkroom.augmentation import policy
from darkroom.images import Images
from darkroom.manifest import Manifest
from darkroom.networks import weights
from darkroom.networks.network import build, last_layer, without_last_layer
from darkroom.notes import Note, tell
from darkroom.preprocessing.recipe import Recipe
from darkroom.preprocessing.settings import PreprocessingSettings
from darkroom.pretrained_weights import PretrainedWeights
from darkroom.system.config import parse
from darkroom.system.errors import InputError
from darkroom.training import defaults, devices, grouped_convolutions
from darkroom.training.batches import Normalise
from darkroom.training.decoded import ImageFiles
from darkroom.training.epochs import OnEpoch
from darkroom.training.examples import Examples, channel_statistics, decoded


class Sources(NamedTuple):
    """What `pretrain` is given, by its names for it."""

    images: Path
    examples: Path
    policy: Path
    unlabelled_images: Path | None
    unlabelled_manifest: Path | None
    evaluation_cleaned: Path | None


class Learnt(NamedTuple):
    """What was learnt: about the weights, the trunk's state dict on the CPU, and the measures of the step."""

    about: PretrainedWeights
    state: dict[str, Tensor]
    measures: dict[str, float]


def learn(sources: Sources, config: PretrainConfig, given: Mapping[str, Any], checkpoints: Path | None, on_epoch: OnEpoch) -> Learnt:
    """Learns from the images; for arguments, of which `given` is called `network` there, and errors see `pretrain`."""
    table = manifest.read(sources.examples)
    training = table.where("train")
    photo_sides = (given["auto_photo_side_px"], given["auto_grey_photo_side_px"])
    architecture, _ = defaults.architecture(training, given["model"], *photo_sides)
    side = _side_px(training, architecture, config, given)
    unlabelled = unlabelled_images(sources.unlabelled_manifest)
    chosen = training_images(table) if unlabelled is None else unlabelled
    kept = without(chosen, held_out(table, sources.evaluation_cleaned))
    packed = Images(sources.images) if unlabelled is None else Images(sources.unlabelled_images or sources.images)
    with devices.threads(given["num_threads"]), devices.products(given["mixed_precision"]):
        examples, num_unreadable = _decoded(packed, kept, _recipe(given, side))
        num_held_out = len(chosen) - len(kept)
        network, projection = _networks(architecture, given["weights"], side, config)
        known = weights.normalisation_of(given["normalise"], architecture, given["weights"])
        mean, std = known or channel_statistics(examples)
        learnt = PretrainedWeights(architecture, side, mean, std, config.method, config.epochs, len(examples))
        notes = [*_notes_of(unlabelled), *tell("pretrain", [str(learnt)], _left_out(num_held_out, num_unreadable))]
        device = devices.choose(given["device"])
        in_half = devices.half_precision(given["mixed_precision"], device, side) is torch.bfloat16
        whole = nn.Sequential(network, projection).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        views = view_policy(policy.read(sources.policy), config)
        learner = Learner(whole, examples.to(device), views, Normalise(mean, std, device), config, device, in_half=in_half)
        with grouped_convolutions.in_float32(whole, device, torch.bfloat16 if in_half else None):
            learner.run(checkpoints, on_epoch)
    state = {name: value.cpu().contiguous() for name, value in network.state_dict().items()}
    counts = {"num_images": len(examples), "num_held_out": num_held_out, "num_unreadable": num_unreadable, "num_epochs": config.epochs}
    measures = {**{name: float(count) for name, count in counts.items()}, "side_px": float(side), "loss": learner.history[-1]["loss"]}
    losses = tuple(row["loss"] for row in learner.history)
    return Learnt(replace(learnt, losses=losses, notes=tuple(notes)), state, measures)


def _side_px(training: Manifest, architecture: str, config: PretrainConfig, given: Mapping[str, Any]) -> int:
    for side in (config.side_px, given["side_px"]):
        if not isinstance(side, str):
            return int(side)
    median = defaults.median_side_px(training)
    if weights.is_fine_tuned(architecture, given["weights"]):
        median = defaults.enlarged(median, given["auto_pretrained_enlarging"])
    return defaults.sides_up_to(median, defaults.SIDES_PX[0], config.max_side_px)[-1]


def _recipe(given: Mapping[str, Any], side_px: int) -> Recipe:
    """The recipe of `train`, from its settings; corrections that it is yet to choose are not made."""
    settings = {name: given[name] for name in PreprocessingSettings.model_fields}
    return parse(PreprocessingSettings, "train", settings).recipe(side_px)


def _decoded(packed: Images, table: Manifest, recipe: Recipe) -> tuple[Examples, int]:
    """The images that can be decoded, and the number of the others."""
    unreadable = set[int]()
    files = ImageFiles(packed, table.column("image_id"), table.column("path"), recipe)
    examples = decoded(files, torch.zeros(len(table), dtype=torch.int64), unreadable)
    if unreadable:
        examples = examples.at(torch.tensor([row for row in range(len(table)) if row not in unreadable], dtype=torch.int64))
    if len(examples) < 2:
        problem = f"there are {len(examples)} images to learn from without labels"
        raise InputError(problem, "give at least 2 in pretrain.data, or set pretrain.enabled=false")
    return examples, len(unreadable)


def _networks(architecture: str, start: str, side_px: int, config: PretrainConfig) -> tuple[nn.Module, nn.Module]:
    """The network without its last layer, from the weights that `train.weights` names, and what projects its features."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        network = build(architecture, 2, side_px=side_px)
        last = last_layer(network)[1]
        projection = projector(last.in_features if isinstance(last, nn.Linear) else last.in_channels, config.projection_dim)
    weights.load(network, architecture, start)
    return without_last_layer(network), projection


def _notes_of(unlabelled: Manifest | None) -> list[Note]:
    """What `ingest_unlabelled` told."""
    return [replace(note, step=f"{note.step}_unlabelled") for note in unlabelled.notes] if unlabelled else []


def _left_out(num_held_out: int, num_unreadable: int) -> list[str]:
    """What a person should know of images that are not learnt from."""
    counted = [
        (num_held_out, "of the source are tested or compared on, too, and are left out"),
        (num_unreadable, "can't be decoded and are left out"),
    ]
    return [f"{number:,} image(s) {what}" for number, what in counted if number]
