"""What learning without labels is worth where few images have one: CIFAR-10 with a tenth of its labels, with and without `pretrain`.

`python benchmarks/pretraining.py ../shared/data/cifar10.tar.xz --unlabelled 45000 --epochs 50`

Both trainings have the same settings, images, split and test images; the second starts from what the network of the first learns from
images of the same training set, none of which has a label here. Nothing is chosen on test.
"""

import argparse
import platform
import random
import tarfile
import tempfile
import time
from pathlib import Path

import torch

from components.augment.augment import augment
from components.augment.config import AugmentConfig
from components.clean.clean import clean
from components.clean.config import CleanConfig
from components.embed.config import EmbedConfig
from components.embed.embed import embed
from components.evaluate.config import EvaluateConfig
from components.evaluate.evaluate import evaluate
from components.ingest.config import IngestConfig
from components.ingest.ingest import ingest
from components.pretrain.config import PretrainConfig
from components.pretrain.pretrain import pretrain
from components.split.config import SplitConfig
from components.split.split import split
from components.train.config import TrainConfig
from components.train.train import train
from darkroom.runtime.step import network_settings
from darkroom.system.config import dump
from darkroom.system.cores import num_cores, share_cores


def lay_out(archive: Path, folder: Path, num_labelled: int, num_unlabelled: int) -> None:
    """Unpacks the test images, some of the training images in class folders, as many of each, and others in one folder."""
    with tarfile.open(archive) as packed:
        packed.extractall(folder / "all", filter="data")
    (root,) = (path.parent for path in (folder / "all").rglob("train"))
    classes = sorted(path.name for path in (root / "train").iterdir())
    rest = []
    for name in classes:
        files = sorted((root / "train" / name).iterdir())
        random.Random(0).shuffle(files)
        number = num_labelled // len(classes)
        (folder / "data" / "train" / name).mkdir(parents=True)
        for file in files[:number]:
            file.rename(folder / "data" / "train" / name / file.name)
        rest += files[number:]
    (root / "test").rename(folder / "data" / "test")
    (folder / "unlabelled").mkdir()
    random.Random(1).shuffle(rest)
    for number, file in enumerate(rest[:num_unlabelled]):
        file.rename(folder / "unlabelled" / f"{number}{file.suffix}")


def prepare(place: Path) -> None:
    """The steps before `pretrain`."""
    images, embeddings = place / "images", place / "embeddings"
    ingest(place / "data", images, place / "manifest", config=IngestConfig())
    embed(images, embeddings, config=EmbedConfig())
    clean(images, place / "manifest", place / "cleaned", place / "issues", config=CleanConfig(), embeddings=embeddings)
    split(place / "cleaned", place / "splits", config=SplitConfig())
    outputs = [place / name for name in ("augmented_images", "examples", "policy", "contact_sheet")]
    augment(images, place / "splits", *outputs, config=AugmentConfig())
    ingest(place / "unlabelled", place / "unlabelled_images", place / "unlabelled_manifest", config=IngestConfig(unlabelled=True))


def accuracy(place: Path, name: str, config: TrainConfig, pretrained: Path | None) -> float:
    """Accuracy on the test images of a network that is trained here."""
    inputs = [place / one for one in ("images", "augmented_images", "examples", "policy", "embeddings")]
    outputs = [place / name / one for one in ("model", "history", "learning_curves")]
    (place / name).mkdir()
    train(*inputs, *outputs, config=config, pretrained=pretrained)
    measures = evaluate(place / "images", place / "splits", outputs[0], place / name / "evaluation", config=EvaluateConfig())
    return measures["accuracy"]


def main() -> None:
    """Prints the accuracies, and what each took."""
    share_cores()  # as every step
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("archive", type=Path)
    parser.add_argument("--labelled", type=int, default=5000)
    parser.add_argument("--unlabelled", type=int, default=45_000)
    parser.add_argument("--epochs", type=int, default=50, help="of pretrain")
    parser.add_argument("--batch-size", type=int, default=256, help="of pretrain")
    parser.add_argument("--method", default="simclr")
    parser.add_argument("--train-epochs", type=int, default=32, help="of train, with and without")
    options = parser.parse_args()
    print(f"{platform.processor() or platform.machine()}, {num_cores()} cores, {torch.backends.cpu.get_cpu_capability()}")
    config = TrainConfig(model="small_cnn", epochs=options.train_epochs, side_px=32)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        lay_out(options.archive, place, options.labelled, options.unlabelled)
        prepare(place)
        start = time.perf_counter()
        measures = pretrain(
            *(place / name for name in ("images", "examples", "policy", "pretrained")),
            config=PretrainConfig(enabled=True, method=options.method, epochs=options.epochs, batch_size=options.batch_size),
            network=network_settings({"train": dump(config)}),
            unlabelled_images=place / "unlabelled_images",
            unlabelled_manifest=place / "unlabelled_manifest",
        )
        seconds = time.perf_counter() - start
        print(f"pretrain: {measures['num_images']:,.0f} images, {options.epochs} epochs of {options.method}, {seconds:.0f} s", flush=True)
        without = accuracy(place, "without", config, None)
        print(f"from nothing: {without:.4f}", flush=True)
        print(f"from what was pretrained: {accuracy(place, 'with', config, place / 'pretrained'):.4f}", flush=True)


if __name__ == "__main__":
    main()
