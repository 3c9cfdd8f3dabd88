"""What networks add to linear models in finding wrong labels (`clean.label_model=network`), on one fold of five, as all take an hour.

`python benchmarks/label_networks.py cifar10/train --seeds 0 1 2`

Of all labels 9 % are moved to the next class. One fold is judged by models of the others: the share of its moved labels among as many of
its images, the worst by score, by the linear models alone and joined with the network that `clean` trains for that fold.
"""

import argparse
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from components.clean.clean import clean
from components.clean.config import CleanConfig
from components.clean.label_models import Judges, make_predictor, pooled
from components.embed.config import EmbedConfig
from components.embed.embed import embed
from components.ingest.config import IngestConfig
from components.ingest.ingest import ingest
from darkroom import manifest
from darkroom.embeddings import Embeddings
from darkroom.folds import assign_folds
from darkroom.groups import canonical_order, grouping_columns, independent_units
from darkroom.images import Images
from darkroom.label_errors.confident_learning import find_label_errors
from darkroom.manifest import Manifest
from darkroom.system.cores import share_cores
from darkroom.training.linear import Floats

MOVED, FOLD = 0.09, 0  # share of the labels; the fold that is judged


def compare(source: Path, place: Path, seeds: Sequence[int]) -> None:
    """Prints both shares of every seed.

    Args:
        source: Data of one label an image.
        place: An empty folder.
        seeds: One a draw of the labels that are moved.
    """
    packed, delivered, vectors, cleaned, found = (place / name for name in ("images", "manifest", "embeddings", "cleaned", "issues"))
    ingest(source, packed, delivered, config=IngestConfig())
    embed(packed, vectors, config=EmbedConfig())
    clean(packed, delivered, cleaned, found, config=CleanConfig(mislabelled="off"), embeddings=vectors)
    kept = manifest.read(cleaned)
    rows = canonical_order(kept.table)
    for seed in seeds:
        moved = np.zeros(len(kept), bool)
        moved[np.random.default_rng(seed).choice(len(kept), int(MOVED * len(kept)), replace=False)] = True
        labels = [kept.classes[number] for number in (kept.targets() + moved) % len(kept.classes)]
        judges = Judges(
            Images(packed), Embeddings(vectors), CleanConfig(label_model="network"), place / f"networks_{seed}", store=place / "store"
        )
        alone, joined, seconds = _judged(replace(kept, table=manifest.put_column(kept.table, "label", labels)), judges, rows, moved[rows])
        print(f"seed {seed}: {alone:.3f} by the linear models, {joined:.3f} joined with the network ({seconds:,.0f} s)", flush=True)


def _judged(kept: Manifest, judges: Judges, rows: npt.NDArray[np.int64], moved: npt.NDArray[np.bool_]) -> tuple[float, float, float]:
    """The shares of moved labels found in the fold by linear models, and by these and its network, and the seconds of the latter."""
    targets, unit, num_folds = kept.targets()[rows], independent_units(grouping_columns(kept))[rows], judges.config.label_folds
    number = np.arange(len(rows))
    folds = assign_folds(csr_array((np.ones_like(number), (number, targets))), unit, number, num_folds, exclusive=True, seed=0)
    predictor, held = make_predictor(judges, kept, rows, targets, folds), folds == FOLD
    doubted = find_label_errors(predictor(), targets, judges.config.min_mislabelled).found
    alone = replace(predictor, networks=None)(doubted)
    assert judges.checkpoints is not None and predictor.networks is not None
    judges.checkpoints.mkdir(parents=True)
    for fold in range(num_folds):
        if fold != FOLD:  # as if it were finished: logits of 0 change no calibration
            np.save(judges.checkpoints / f"fold_{fold}.npy", np.zeros((int((folds == fold).sum()), len(kept.classes)), np.float32))
    started = time.monotonic()
    networks = predictor.networks(doubted)
    seconds = time.monotonic() - started
    joined = pooled(alone[held], networks[held], predictor.wanted[held], exclusive=True)
    shares = [_share_found(found, targets[held], moved[held]) for found in (alone[held], joined)]
    return shares[0], shares[1], seconds


def _share_found(probabilities: Floats, targets: npt.NDArray[np.int64], moved: npt.NDArray[np.bool_]) -> float:
    """The share of moved labels among as many images, the worst by score."""
    scores = find_label_errors(probabilities, targets).scores
    return float(moved[np.argsort(-scores, kind="stable")[: moved.sum()]].mean())


def main() -> None:
    """Prints the shares."""
    share_cores()  # as every step
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path, help="data of one label an image")
    parser.add_argument("--seeds", type=int, nargs="+", default=(0, 1, 2))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        compare(options.source, Path(folder), options.seeds)


if __name__ == "__main__":
    main()
