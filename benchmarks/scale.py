"""Time and memory of the data steps at 10,000, 100,000 and 1,000,000 images: whether they grow linearly, and stay below 4 GB.

`python benchmarks/scale.py ../shared/data/cifar10.tar.xz`
`python benchmarks/scale.py cifar10.tar.xz --numbers 10000 30000 --place /mnt/large`

The pictures are made of the archive's: pieces of two of them laid over each other, in other colours, and encoded again, so that no two
files are equal. They lie as Parquet shards and as class folders below a temporary folder in `--place`, which is removed afterwards; a
million take 15 GB.

Each step runs in a process of its own. Its memory is the peak of what is resident (VmHWM), with the pages of mapped files in it, and in
brackets the peak of what is not of files, seen every 20 ms. Growth is the exponent of the number of images in seconds of the processor.

A network looks at `--sample` pictures alone, and its time for all is extrapolated from these. Vectors of the others are sums of the
sample's (one of the class, moved by a share of the difference of two others); they are kept by the product's own store, from which
`embed` then makes its folder, as of images that an earlier run has seen. Thumbnails and scans are the pictures' own.
"""

import argparse
import multiprocessing
import shutil
import sys
import tarfile
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from components.augment.augment import augment
from components.augment.config import AugmentConfig
from components.clean.clean import clean
from components.clean.config import CleanConfig
from components.embed.config import EmbedConfig
from components.embed.embed import embed
from components.ingest.config import IngestConfig
from components.ingest.ingest import ingest
from components.split.config import SplitConfig
from components.split.split import split
from darkroom import manifest
from darkroom.embeddings import Embeddings, make_batch
from darkroom.images import Images
from darkroom.pixels import decode
from darkroom.scans import make_rows, scanned
from darkroom.system.cores import num_cores, share_cores
from darkroom.system.mapped import handing_back
from darkroom.system.parallel import ordered
from darkroom.thumbnails import thumbnails
from darkroom.vector_store import ScanStore, VectorStore
from darkroom.versions.data_version import data_version

MAX_GB = 4.0  # that a step may have resident, beside what is mapped of vectors and scratch files
SIDE_PX, MIN_PIECE_PX = 32, 16
SOURCE_STEP = 3  # of so many pictures of the archive one is used
BLOCK, SHARD_ROWS = 1_000, 50_000
CONFIG = EmbedConfig(backbone="lite0")  # `auto` takes hand-made features of such small pictures, which would hide 2.6 GB of vectors
Grey = npt.NDArray[np.uint8]


class Figures(NamedTuple):
    """What a step took.

    Attributes:
        seconds: On the clock.
        busy: Of the processor.
        before: GB that are resident when it begins.
        peak: GB that are resident at most.
        own: GB at most that are not of mapped files.
    """

    seconds: float
    busy: float
    before: float
    peak: float
    own: float


def read_sources(archive: Path) -> tuple[Grey, list[str]]:
    """Pictures of an archive, `(N, 32, 32, 3) uint8`, and their classes, the names of their folders."""
    pictures, labels = [], []
    with tarfile.open(archive) as members:
        files = (member for member in members if member.isfile())
        for number, member in enumerate(files):
            if number % SOURCE_STEP == 0 and (file := members.extractfile(member)):
                pixels = cv2.imdecode(np.frombuffer(file.read(), np.uint8), cv2.IMREAD_COLOR)
                assert pixels is not None, f"{member.name} is no picture"
                pictures.append(np.asarray(cv2.resize(pixels, (SIDE_PX, SIDE_PX)), np.uint8))
                labels.append(Path(member.name).parent.name)
    order = np.random.default_rng(0).permutation(len(pictures))
    return np.stack(pictures)[order], [labels[place] for place in order.tolist()]


def made_pictures(sources: Grey, labels: list[str], number: int) -> Iterator[list[tuple[bytes, str]]]:
    """Files of so many pictures and their classes, a block at a time."""
    for start in range(0, number, BLOCK):
        rng = np.random.default_rng([1, start])
        rows = rng.integers(len(sources), size=(BLOCK, 2))
        sides = rng.integers(MIN_PIECE_PX, SIDE_PX + 1, (BLOCK, 2))
        corners = (rng.random((BLOCK, 2, 2)) * (SIDE_PX + 1 - sides[:, :, None])).astype(int)
        colours = rng.uniform(0.7, 1.3, (BLOCK, 3))
        block = []
        for row in range(min(BLOCK, number - start)):
            pieces = [
                cv2.resize(sources[source, y : y + side, x : x + side], (SIDE_PX, SIDE_PX))
                for source, side, (y, x) in zip(rows[row].tolist(), sides[row].tolist(), corners[row].tolist(), strict=True)
            ]
            picture = np.clip(cv2.addWeighted(pieces[0], 0.6, pieces[1], 0.4, 0.0) * colours[row], 0, 255).astype(np.uint8)
            block.append((cv2.imencode(".jpg", picture)[1].tobytes(), labels[rows[row, 0]]))
        yield block


def lay_out(sources: Grey, labels: list[str], number: int, shards: Path, folder: Path) -> None:
    """Writes the pictures as Parquet shards, and as files in class folders."""
    shards.mkdir(parents=True)
    for name in sorted(set(labels)):
        (folder / name).mkdir(parents=True)
    schema = pa.schema([("image", pa.struct([("bytes", pa.binary()), ("path", pa.string())])), ("label", pa.string())])
    with ExitStack() as opened:
        for index, block in enumerate(made_pictures(sources, labels, number)):
            if index % (SHARD_ROWS // BLOCK) == 0:
                opened.close()
                shard = shards / f"train-{index // (SHARD_ROWS // BLOCK):05d}.parquet"
                writer = opened.enter_context(pq.ParquetWriter(shard, schema))
            names = [f"{index * BLOCK + row:07d}.jpg" for row in range(len(block))]
            files = [{"bytes": data, "path": name} for name, (data, _) in zip(names, block, strict=True)]
            columns = [pa.array(files, schema.field(0).type), pa.array([label for _, label in block])]
            writer.write_batch(pa.record_batch(columns, schema=schema))
            for name, (data, label) in zip(names, block, strict=True):
                (folder / label / name).write_bytes(data)


def keep_vectors(sample: Path, packed: Path, delivered: Path, store: Path) -> None:
    """Fills the store of vectors and scans, as if an earlier run had embedded all images.

    Args:
        sample: A folder with `embeddings` and the `manifest` of their images.
        packed: The images.
        delivered: Their manifest.
        store: Where to.
    """
    known, of_sample = Embeddings(sample / "embeddings"), manifest.read(sample / "manifest")
    given = dict(zip(of_sample.column("image_id"), of_sample.column("label"), strict=True))
    by_class = {label: known.of(name for name in known.names if given[name] == label) for label in of_sample.classes}
    vectors, table, images = known.of(known.names), manifest.read(delivered), Images(packed)
    labels = dict(zip(table.column("image_id"), table.column("label"), strict=True))
    names, rng = sorted(images), np.random.default_rng(2)
    kept, scans = VectorStore(store, known.origin, names), ScanStore(store, names)

    def seen(block: list[str]) -> list[tuple[Any, Any]]:
        pictures = [decode(images[name]) for name in block]
        return [(scanned(picture), thumbnails(picture)) for picture in pictures]

    blocks = [names[start : start + BLOCK] for start in range(0, len(names), BLOCK)]
    for block, found in zip(blocks, ordered(seen, blocks), strict=True):
        own = np.stack([by_class[labels[name]][rng.integers(len(by_class[labels[name]]))] for name in block])
        one, other = vectors[rng.integers(len(vectors), size=(2, len(block)))]
        made = own + rng.uniform(0.2, 1.0, (len(block), 1)).astype(np.float32) * (one - other)
        norms = np.linalg.norm(made, axis=1)
        grey, colours, signatures = zip(*(shown for _, shown in found), strict=True)
        kept.add(make_batch(block, made / norms[:, None], norms, np.stack(grey), np.stack(colours), signatures))
        scans.add(make_rows(block, [scan for scan, _ in found]))
    kept.flush()
    scans.flush()


def measure(step: Callable[..., Any], *arguments: Any, **named: Any) -> Figures:
    """Calls a step in a process of its own, which begins with this file's imports."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([module for module in sys.modules if module.startswith("components.")])
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=_run, args=(there, step, arguments, named))
    process.start()
    there.close()
    try:
        return Figures(*here.recv())
    except EOFError:
        raise SystemExit(f"{step.__name__} failed") from None
    finally:
        process.join()


def _run(pipe: Any, step: Callable[..., Any], arguments: tuple[Any, ...], named: dict[str, Any]) -> None:
    share_cores()  # this, and handing back, as every runner does
    done, own = threading.Event(), [_resident("RssAnon")]

    def watch() -> None:
        while not done.wait(0.02):
            own[0] = max(own[0], _resident("RssAnon"))

    before, watcher = _resident("VmRSS"), threading.Thread(target=watch)
    watcher.start()
    start, used = time.perf_counter(), time.process_time()
    try:
        with handing_back():
            step(*arguments, **named)
        pipe.send((time.perf_counter() - start, time.process_time() - used, before, _resident("VmHWM"), own[0]))
    finally:
        done.set()
        watcher.join()


def _resident(what: str) -> float:
    """GB of this process; what getrusage says may be what the parent took."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition(f"{what}:")[2].split()[0]) / 2**20


def embed_sample(sources: Grey, labels: list[str], number: int, place: Path) -> None:
    """Prints how long a network looks at a sample, which is kept, and what that means for more."""
    lay_out(sources, labels, number, place / "shards", place / "folder")
    ingest(place / "shards", place / "images", place / "manifest", config=IngestConfig())
    took = measure(embed, place / "images", place / "embeddings", config=CONFIG)
    each = took.busy / number
    print(f"embed, {number:,} images: {took.seconds:.1f} s ({took.busy:.1f} s of the processor), at most {took.peak:.2f} GB resident")
    print(f"    extrapolated, of the processor: {each * 1e5 / 60:,.0f} minutes for 100,000, {each * 1e6 / 3600:,.1f} hours for 1,000,000")


def measure_steps(sources: Grey, labels: list[str], number: int, place: Path, sample: Path) -> dict[str, Figures]:
    """Prints and returns what each step takes of so many images, whose files are below `place` afterwards."""
    found = dict[str, Figures]()

    def run(name: str, step: Callable[..., Any], *arguments: Any, **named: Any) -> None:
        took = found[name] = measure(step, *arguments, **named)
        print(f"{number:,} {name}: {_told(took)}", flush=True)

    shards, folder, images, delivered, embeddings, cleaned, splits = (
        place / name for name in ("shards", "folder", "images", "manifest", "embeddings", "cleaned", "splits")
    )
    lay_out(sources, labels, number, shards, folder)
    run("data version of the folder", data_version, folder)
    run("ingest of the folder", ingest, folder, place / "images-of-folder", place / "manifest-of-folder", config=IngestConfig())
    for path in (folder, place / "images-of-folder"):
        shutil.rmtree(path)
    run("ingest of shards", ingest, shards, images, delivered, config=IngestConfig())
    shutil.rmtree(shards)
    keep_vectors(sample, images, delivered, place / "store")
    run("embed from the store", embed, images, embeddings, config=CONFIG, store=place / "store")
    shutil.rmtree(place / "store")
    run("clean", clean, images, delivered, cleaned, place / "issues", config=CleanConfig(), embeddings=embeddings)
    leaks = place / "leaks"
    run("split", split, cleaned, splits, config=SplitConfig(), images=images, embeddings=embeddings, leaks=leaks)
    outputs = (place / name for name in ("augmented", "examples", "policy", "sheet"))
    run("augment", augment, images, splits, *outputs, config=AugmentConfig())
    return found


def _told(took: Figures) -> str:
    return (
        f"{took.seconds:,.1f} s ({took.busy:,.1f} s of the processor), at most {took.peak:.2f} GB resident ({took.own:.2f} not of files; "
        f"{took.before:.2f} before it begins)"
    )


def print_growth(figures: dict[int, dict[str, Figures]]) -> None:
    """Prints how time and memory of each step grow from each number of images to the next, and what a million would take."""
    for few, many in pairwise(sorted(figures)):
        for name, took in figures[many].items():
            less = figures[few][name]
            exponent = np.log(took.busy / less.busy) / np.log(many / few)
            slope = (took.own - less.own) / (many - few)
            print(
                f"{few:,} to {many:,}, {name}: time grows by the power {exponent:.2f}, {slope * 2**20:,.1f} kB an image not of files, ",
                end="",
            )
            print(f"{took.own + slope * (1_000_000 - many):.1f} GB at 1,000,000")
    for number, steps in figures.items():
        above = [f"{name} ({took.own:.1f} GB)" for name, took in steps.items() if took.own > MAX_GB]
        said = f"{'ABOVE' if above else 'every step is below'} {MAX_GB:g} GB not of files{': ' * bool(above)}{', '.join(above)}"
        print(f"{number:,}: {said}; at most {max(took.peak for took in steps.values()):.1f} GB with mapped ones")


def main() -> None:
    """Prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("archive", type=Path, help="a tar of class folders of small pictures, such as CIFAR-10's")
    parser.add_argument("--numbers", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--sample", type=int, default=300, help="images that a network looks at")
    parser.add_argument("--place", type=Path, help="a folder below which a temporary one is made")
    options = parser.parse_args()
    sources, labels = read_sources(options.archive)
    figures = dict[int, dict[str, Figures]]()
    with tempfile.TemporaryDirectory(prefix="darkroom-scale-", dir=options.place) as folder:
        print(f"{num_cores()} cores", flush=True)
        embed_sample(sources, labels, options.sample, Path(folder) / "sample")
        for number in options.numbers:
            place = Path(folder) / str(number)
            figures[number] = measure_steps(sources, labels, number, place, Path(folder) / "sample")
            shutil.rmtree(place)
    print_growth(figures)


if __name__ == "__main__":
    main()
