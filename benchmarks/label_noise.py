"""What `clean.mislabelled=relabel` (and `drop`) is worth: a linear model on the embeddings, trained on wrong labels and on those corrected.

`python benchmarks/label_noise.py ../shared/data/weather4 ../shared/data/clothing_small`

A quarter of the images is tested on and keeps its labels; no cluster of copies stands on both sides. Of the other labels 9 % or 20 % are
moved to the next class; then the model learns from them as they are, and as `split` applies what `clean` proposes. The mean of three seeds.
"""

import argparse
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array
from sklearn.metrics import f1_score

from components.clean.clean import clean
from components.clean.config import CleanConfig
from components.clean.mislabelled import judge_labels
from components.embed.config import EmbedConfig
from components.embed.embed import embed
from components.ingest.config import IngestConfig
from components.ingest.ingest import ingest
from components.split.training_proposals import apply_proposals
from darkroom import manifest
from darkroom.embeddings import Embeddings
from darkroom.folds import assign_folds
from darkroom.groups import grouping_columns, independent_units
from darkroom.training.linear import fit_linear, one_hot
from darkroom.training.principal_components import reduced

NOISE, SEEDS = (0.0, 0.09, 0.2), (0, 1, 2)
TEST, TRAIN, EXCLUDED = 0, 1, 2
NUM_COMPONENTS = 256  # of the vectors that the linear model sees
_PARTS, _PENALTY = 4, 0.1

Integers = npt.NDArray[np.int64]


def prepared(source: Path, place: Path, store: Path | None) -> tuple[manifest.Manifest, Embeddings]:
    """The images of a source without unusable ones and copies, with their clusters; and their embeddings."""
    packed, delivered, vectors, cleaned, found = (place / name for name in ("images", "manifest", "embeddings", "cleaned", "issues"))
    ingest(source, packed, delivered, config=IngestConfig())
    embed(packed, vectors, config=EmbedConfig(), store=store)
    clean(packed, delivered, cleaned, found, config=CleanConfig(mislabelled="off"), embeddings=vectors)
    return manifest.read(cleaned), Embeddings(vectors)


def with_noise(kept: manifest.Manifest, codes: Integers, share: float, seed: int) -> manifest.Manifest:
    """The images, of which a share of those trained on has the label of the next class."""
    training = np.flatnonzero(codes == TRAIN)
    targets = kept.targets()
    moved = np.random.default_rng(seed).choice(training, round(share * len(training)), replace=False)
    targets[moved] = (targets[moved] + 1) % len(kept.classes)
    labels = [kept.classes[number] for number in targets]
    return replace(kept, table=manifest.put_column(kept.table, "label", labels))


def halves(kept: manifest.Manifest, seed: int) -> Integers:
    """`TEST` for a quarter of the images, stratified, with what is tied on one side, and `TRAIN` for the others: `(N,) int64`."""
    shown = csr_array(np.eye(len(kept.classes), dtype=np.int64)[kept.targets()])
    unit = independent_units(grouping_columns(kept))
    return np.minimum(assign_folds(shown, unit, np.arange(len(kept)), _PARTS, exclusive=True, seed=seed), TRAIN)


def score(given: manifest.Manifest, codes: Integers, vectors: npt.NDArray[np.float32], y_true: Integers) -> float:
    """Macro F1 on the images that are tested on, of a linear model that has learnt from the others' labels as they are given."""
    learnt, tested = codes == TRAIN, codes == TEST
    targets = one_hot(given.targets()[learnt], len(given.classes))
    model = fit_linear(vectors[learnt], targets, np.ones_like(targets), "softmax", _PENALTY)
    return float(f1_score(y_true[tested], model(vectors[tested]).argmax(1), average="macro"))


def compare(kept: manifest.Manifest, embedded: Embeddings) -> None:
    """Prints macro F1 before and after, by how many labels are wrong."""
    vectors, y_true = reduced(embedded.of(kept.column("image_id")), NUM_COMPONENTS), kept.targets()
    for noise in NOISE:
        rows = []
        for seed in SEEDS:
            codes = halves(kept, seed)
            noisy = with_noise(kept, codes, noise, seed)
            row = [score(noisy, codes, vectors, y_true)]
            for action in ("relabel", "drop"):
                judged = judge_labels(noisy, embedded, CleanConfig(mislabelled=action, seed=seed)).manifest
                applied = apply_proposals(judged, None, codes, TRAIN, EXCLUDED)
                row.append(score(applied.manifest, applied.codes, vectors, y_true))
            rows.append(row)
        before, relabelled, dropped = np.mean(rows, axis=0)
        each = ", ".join(f"{one:.3f} > {two:.3f}" for one, two, _ in rows)
        print(f"    {noise:.0%} wrong: macro F1 {before:.3f} > {relabelled:.3f} relabelled ({each}), {dropped:.3f} dropped", flush=True)


def main(sources: Sequence[Path], store: Path | None) -> None:
    """Prints the figures of each source."""
    for source in sources:
        with tempfile.TemporaryDirectory() as folder:
            kept, embedded = prepared(source, Path(folder), store)
            print(f"{source}: {len(kept):,} images, {embedded.origin.backbone}", flush=True)
            compare(kept, embedded)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sources", type=Path, nargs="+", help="data of one label an image")
    parser.add_argument("--store", type=Path, help="folder in which vectors are kept from one time to the next")
    options = parser.parse_args()
    main(options.sources, options.store)
