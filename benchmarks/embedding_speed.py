"""Images a second of `embed`, from the packed files on, against the same network on a preloaded batch; and what grown data cost.

`python benchmarks/embedding_speed.py --data ../shared/data/clothing_small --images 800`
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from darkroom.system.cores import num_cores, share_cores

share_cores()  # before torch is loaded, as every step does

import numpy as np  # noqa: E402
import torch  # noqa: E402

from components.embed.config import EmbedConfig  # noqa: E402
from components.embed.embed import embed  # noqa: E402
from components.embed.inference import embed_images  # noqa: E402
from darkroom.images import Images, ImageWriter  # noqa: E402
from darkroom.networks.backbones import backbone_of  # noqa: E402
from darkroom.networks.embedder import Embedder, Place, choose_place, embedder  # noqa: E402
from darkroom.networks.pretrained import Backbone  # noqa: E402
from darkroom.training.devices import threads  # noqa: E402


def main() -> None:
    """Prints the rates, their ratio, and the time of grown data."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/clothing_small"), help="a folder with images at any depth")
    parser.add_argument("--images", type=int, default=800)
    parser.add_argument("--backbone", default="lite0")
    parser.add_argument("--precision", choices=("float32", "bf16"), default="float32")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    files = sorted(path for path in options.data.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg", ".png"))
    files = [files[place] for place in np.linspace(0, len(files) - 1, options.images).astype(int)]
    with tempfile.TemporaryDirectory() as folder:
        compare(pack(Path(folder) / "images", files), backbone_of(options.backbone), options)
        grow(Path(folder), files, options)


def compare(packed: Path, backbone: Backbone, options: argparse.Namespace) -> None:
    """Prints the step's rate beside those of the network alone, measured in turn."""
    images, place = Images(packed), choose_place("auto", options.precision)
    names, batch_size = sorted(images), 8 if place.device == "cpu" else 256
    compute = embedder(backbone, place)
    rounds = -(-len(names) // options.rounds)
    batch = np.random.default_rng(0).integers(0, 256, (batch_size, backbone.recipe.side_px, backbone.recipe.side_px, 3), dtype=np.uint8)
    whole = batch_of_torch(backbone, place, batch)
    times: dict[str, list[tuple[float, float]]] = {"embed": [], "the same, preloaded": [], "torch, preloaded": []}
    for number in range(options.rounds):
        some = names[number * rounds : (number + 1) * rounds]
        num_batches = -(-len(some) // batch_size)

        def step(some: list[str] = some) -> None:
            with threads(1):
                list(embed_images(images, some, compute, backbone.recipe, batch_size, num_cores(), frozenset(some)))

        def preloaded(num_batches: int = num_batches) -> None:
            with threads(1), ThreadPoolExecutor(num_cores()) as pool:
                list(pool.map(lambda _: compute(batch), range(num_batches)))

        def of_torch(num_batches: int = num_batches) -> None:
            with threads("auto"):
                for _ in range(num_batches):
                    whole()

        for name, work in zip(times, (step, preloaded, of_torch), strict=True):
            times[name].append(tuple(value / (num_batches * batch_size) for value in seconds(work)))  # type: ignore[arg-type]
    median = {name: [statistics.median(kind) for kind in zip(*values, strict=True)] for name, values in times.items()}
    wall, cpu = median["embed"]
    print(f"{options.backbone}, {place.precision}, {place.device}, {num_cores()} cores, torch {torch.__version__}")
    for name, (other_wall, other_cpu) in median.items():
        told = f"{1 / other_wall:7.1f} images/s, {1000 * other_cpu:6.2f} ms of the processor an image"
        print(f"{name:<20} {told}; embed has {other_wall / wall:.2f} of the rate, {other_cpu / cpu:.2f} by the processor's time")


def batch_of_torch(backbone: Backbone, place: Place, batch: np.ndarray) -> Callable[[], None]:
    """The network in torch, channels last, on a batch that is already where it computes."""
    network = Embedder(backbone).eval().to(place.device).to(memory_format=torch.channels_last)
    images = torch.from_numpy(batch).to(place.device)

    def run() -> None:
        with torch.inference_mode(), torch.autocast(place.device, torch.bfloat16, enabled=place.precision == "bf16"):
            network(images)[1].cpu()

    return run


def grow(folder: Path, files: list[Path], options: argparse.Namespace) -> None:
    """Prints how long the step takes for nine tenths of the images, and then for all of them."""
    config = EmbedConfig(backbone=options.backbone, precision=options.precision)
    first, grown = pack(folder / "first", files[: len(files) * 9 // 10]), pack(folder / "grown", files)
    measured = []
    for images, store in ((grown, folder / "other"), (first, folder / "store"), (grown, folder / "store")):
        found: dict[str, float] = {}

        def step(images: Path = images, store: Path = store, found: dict[str, float] = found) -> None:
            found.update(embed(images, folder / "embeddings", config=config, store=store))

        measured.append((*seconds(step), found["num_computed"]))
    (wall, cpu, number), _, (new_wall, new_cpu, new) = measured
    print(f"all {number:,.0f} images {wall:.1f} s; {new:,.0f} new ones {new_wall:.1f} s: {new_wall / wall:.3f} of it", end=", ")
    print(f"{new_cpu / cpu:.3f} by the processor's time")


def pack(folder: Path, files: list[Path]) -> Path:
    """Packs files as `ingest` does."""
    with ImageWriter(folder) as writer:
        for path in files:
            writer.add(path.read_bytes())
    return folder


def seconds(work: Callable[[], None]) -> tuple[float, float]:
    """How long something takes, and how much time of the processor: the second is fair on a machine that others use, too."""
    start, start_cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - start, time.process_time() - start_cpu


if __name__ == "__main__":
    main()
