"""A model that was really trained, once for all tests: tiny pictures of three colours with noise."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from components.train.config import TrainConfig
from components.train.train import train
from darkroom.augmentation.policy import Operation, Policy
from darkroom.images import ImageWriter
from darkroom.manifest import Manifest, make_table
from tests.components.train.toys import write_embeddings

CLASSES = ("red", "green", "blue")
NUM_IMAGES = 90


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `images`, `augmented_images`, `examples`, `policy` and `model`."""
    folder = tmp_path_factory.mktemp("trained")
    rng = np.random.default_rng(0)
    with ImageWriter(folder / "images") as writer:
        names = [writer.add(picture(rng, number % 3)) for number in range(NUM_IMAGES)]
    ImageWriter(folder / "augmented_images").__exit__(None, None, None)
    splits = ["train"] * 54 + ["validation"] * 36
    columns = {
        "path": [f"{number}.png" for number in range(NUM_IMAGES)], "image_id": names,
        "label": [CLASSES[number % 3] for number in range(NUM_IMAGES)], "split": splits,
        "width": [12] * NUM_IMAGES, "height": [12] * NUM_IMAGES,
    }  # fmt: skip
    Manifest(make_table(columns), CLASSES, "multiclass", "v1").write(folder / "examples")
    Policy(operations=(Operation(name="horizontal_flip", probability=0.5),)).write(folder / "policy")
    config = TrainConfig(side_px=12, epochs=3, batch_size=18, num_threads=1, warmup_epochs=0)
    write_embeddings(folder / "images", folder / "embeddings")
    train(
        **inputs(folder),
        embeddings=folder / "embeddings",
        model=folder / "model",
        history=folder / "history",
        learning_curves=folder / "curves",
        config=config,
    )
    return folder


def inputs(folder: Path) -> dict[str, Path]:
    """What both `train` and `prune` read."""
    return {name: folder / name for name in ("images", "augmented_images", "examples", "policy")}


def picture(rng: np.random.Generator, channel: int) -> bytes:
    """A PNG of noise in which one channel is brighter."""
    pixels = rng.integers(0, 150, (12, 12, 3))
    pixels[:, :, channel] += 80
    file = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(file, "PNG")
    return file.getvalue()
