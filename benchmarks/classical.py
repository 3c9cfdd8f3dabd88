"""How long the classical models take on many vectors, with how much memory, and how well they answer.

`python benchmarks/classical.py cifar10 --images 50000` (unpacked, with its `train` and `test`)

Vectors are lite0's, of pictures brought to 96 px; a tenth of the images choose the settings, as validation images do. Each family is
fitted in a process of its own, as `train` fits it: a few settings on a sample, the best one on all.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from components.embed.config import EmbedConfig
from components.embed.embed import embed
from components.ingest.config import IngestConfig
from components.ingest.ingest import ingest
from darkroom import manifest
from darkroom.embeddings import Embeddings
from darkroom.images import Images
from darkroom.label_errors.enlarged import enlarged_vectors
from darkroom.networks.families import CLASSICAL
from darkroom.system.cores import num_cores, share_cores
from darkroom.training import devices
from darkroom.training.classical import Vectors
from darkroom.training.heads import VectorProblem, example_weights, fit_best

SIDE_PX, NUM_VALIDATION = 96, 5_000
GIGABYTE = 2**30


def make_vectors(source: Path, number: int, folder: Path) -> None:
    """Writes vectors and labels of some images of one label each, chosen at random."""
    ingest(source, folder / "images", folder / "manifest", config=IngestConfig())
    embed(folder / "images", folder / "embeddings", config=EmbedConfig(backbone="handcrafted"))
    table = manifest.read(folder / "manifest")
    rows, known = np.random.default_rng(0).permutation(len(table))[:number], table.column("image_id")
    names = [known[row] for row in rows.tolist()]
    vectors, _ = enlarged_vectors(Images(folder / "images"), Embeddings(folder / "embeddings"), names, "lite0", SIDE_PX)
    np.save(folder / "vectors.npy", vectors)
    np.save(folder / "targets.npy", table.targets()[rows])


def time_family(family: str, folder: Path) -> None:
    """Fits one family and prints its figures as JSON, in a process that does nothing else."""
    share_cores()
    vectors, targets = np.load(folder / "vectors.npy").astype(np.float32), np.load(folder / "targets.npy")
    num_classes = int(targets.max()) + 1
    weights = example_weights("multiclass", targets, num_classes, "none")
    given, names = Vectors(vectors, targets, weights), tuple(map(str, range(len(targets))))
    validation, train = (given.at(rows) for rows in np.split(np.arange(len(targets)), [NUM_VALIDATION]))
    problem = VectorProblem(
        train, validation, names[:NUM_VALIDATION], np.arange(NUM_VALIDATION), tuple(map(str, range(num_classes))), "multiclass"
    )
    del given, vectors
    settings = {"regularization": "auto", "num_trees": "auto", "num_neighbours": "auto"}
    started, used = time.perf_counter(), time.process_time()
    with devices.threads("auto"):
        fitted = fit_best(family, problem, settings, "accuracy", 0.0, seed=0)  # type: ignore[arg-type]
    seconds, busy = time.perf_counter() - started, time.process_time() - used
    found = {
        "seconds": seconds,
        "processor": busy,
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / GIGABYTE,
        "accuracy": fitted.validated.row["validation_accuracy"],
        "notes": fitted.head.notes,
        "settings": str(fitted.head.settings),
    }
    print(json.dumps(found))


def main() -> None:
    """Prints a line a family."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path, help="data of one label an image, as ingest takes them")
    parser.add_argument("--images", type=int, default=50_000)
    parser.add_argument("--families", nargs="+", default=CLASSICAL, choices=CLASSICAL)
    parser.add_argument("--family", help=argparse.SUPPRESS)  # of the process that fits it
    options = parser.parse_args()
    if options.family:
        time_family(options.family, options.source)
        return
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        make_vectors(options.source, options.images + NUM_VALIDATION, folder)
        shape = np.load(folder / "vectors.npy", mmap_mode="r").shape
        print(f"{shape[0] - NUM_VALIDATION:,} vectors of {shape[1]:,}, {NUM_VALIDATION:,} for validation, {num_cores()} cores", flush=True)
        for family in options.families:
            command = [sys.executable, __file__, str(folder), "--family", family]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            row = json.loads(done.stdout.strip().splitlines()[-1])
            print(
                f"{family}: {row['seconds']:.0f} s ({row['processor']:.0f} s of the processor), {row['peak']:.1f} GB, "
                f"accuracy {row['accuracy']:.3f}; {' '.join(row['notes'])} {row['settings']}",
                flush=True,
            )


if __name__ == "__main__":
    main()
