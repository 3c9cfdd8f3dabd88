"""Tiny packed data sets to train on: squares whose colour tells the class."""

import dataclasses
import io
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from darkroom import embeddings, manifest
from darkroom.augmentation.policy import Operation, Policy
from darkroom.embeddings import Origin
from darkroom.images import Images, ImageWriter
from darkroom.manifest import Manifest
from darkroom.networks.backbones import backbone_of
from darkroom.networks.embedder import Embedder
from darkroom.pixels import pixels
from darkroom.task import Task

COLOURS = np.array([[220, 40, 40], [40, 220, 40], [40, 40, 220]])
MILD = Policy(
    operations=(Operation(name="horizontal_flip", probability=0.5), Operation(name="brightness", probability=1, low=0.9, high=1.1))
)


@dataclasses.dataclass(frozen=True)
class Inputs:
    """Where the inputs of a training stand."""

    images: Path
    augmented_images: Path
    examples: Path
    policy: Path
    embeddings: Path

    def paths(self) -> dict[str, Path]:
        return dataclasses.asdict(self)


def picture(colours: list[int], rng: np.random.Generator, side_px: int = 8) -> bytes:
    """A noisy PNG with a stripe of each colour."""
    stripes = np.repeat(COLOURS[colours], -(-side_px // len(colours)), axis=0)[:side_px] if colours else np.full((side_px, 3), 128)
    pixels = np.clip(stripes[None] + rng.normal(0, 30, (side_px, side_px, 3)), 0, 255).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def table_of(images: Path, labels: list[list[int]], splits: list[str], task: Task, side_px: int = 8) -> Manifest:
    """Packs a picture for each entry and makes the table that tells what each shows."""
    rng = np.random.default_rng(0)
    with ImageWriter(images) as writer:
        names = [writer.add(picture(row, rng, side_px)) for row in labels]
    words = ("red", "green", "blue") if task != "binary" else ("red", "green")
    truth = (
        {"labels": [[words[number] for number in row] for row in labels]}
        if task == "multilabel"
        else {"label": [words[row[0]] for row in labels]}
    )
    columns = {"path": [f"{row}.png" for row in range(len(names))], "image_id": names, **truth}
    columns |= {"width": [side_px] * len(names), "height": [side_px] * len(names), "split": splits}
    return Manifest(manifest.make_table(columns), words, task, "toy")


def make(folder: Path, task: Task = "multiclass", num_train: int = 24, num_validation: int = 9, policy: Policy = MILD) -> Inputs:
    """Writes all inputs of a training."""
    rng = np.random.default_rng(1)
    num_classes = 2 if task == "binary" else 3
    labels = [[row % num_classes] for row in range(num_train + num_validation)]
    if task == "multilabel":
        labels = [[number for number in range(3) if rng.random() < 0.5] for _ in labels]
    splits = ["train"] * num_train + ["validation"] * num_validation
    inputs = Inputs(
        folder / "images", folder / "augmented_images", folder / "examples.parquet", folder / "policy.json", folder / "embeddings"
    )
    table_of(inputs.images, labels, splits, task).write(inputs.examples)
    with ImageWriter(inputs.augmented_images):
        pass
    policy.write(inputs.policy)
    write_embeddings(inputs.images, inputs.embeddings)
    return inputs


def write_embeddings(images: Path, folder: Path) -> None:
    """Hand-made vectors of all images, as `embed` writes them, by torch alone."""
    source, backbone = Images(images), backbone_of("handcrafted")
    names = sorted(source)
    batch = np.stack([pixels(source[name], backbone.recipe) for name in names])
    with torch.inference_mode():
        vectors, norms = (part.numpy() for part in Embedder(backbone).eval()(torch.from_numpy(batch)))
    small, colours = np.zeros((len(names), 32, 32), np.uint8), np.zeros((len(names), 8, 8, 3), np.uint8)
    origin = Origin("handcrafted", backbone.weights_sha256, "features", backbone.recipe, "float32", "cpu", backbone.num_features)
    embeddings.write(folder, origin, [embeddings.make_batch(names, vectors, norms, small, colours, [0] * len(names))])
