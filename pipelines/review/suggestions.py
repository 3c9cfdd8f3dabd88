"""The images whose labels would teach most: unlabelled ones, and those that a model on the embeddings is least sure of.

A linear model on the embeddings answers images that it has not learnt from. Its margin is what its first answer leads by. Images are
chosen one after the other, each by how small its margin is and how unlike it is to those that are chosen already.

Source:
    Settles 2009, Active learning literature survey, section 3.1 (margin) and 3.6 (density and diversity).
"""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from scipy.sparse import csr_array

from components.embed.inference import embed_images
from components.ingest.catalogue import list_source, open_source
from components.ingest.config import IngestConfig
from components.ingest.sources import Source
from components.ingest.verdict_file import without_label
from darkroom.embeddings import Embeddings, schema
from darkroom.folds import NO_FOLD, assign_folds
from darkroom.groups import grouping_columns, independent_units
from darkroom.images import Images, ImageWriter, image_id
from darkroom.label_errors.out_of_fold import out_of_fold
from darkroom.manifest import Manifest
from darkroom.networks.backbones import embedding_backbone
from darkroom.networks.embedder import choose_place, embedder
from darkroom.system.cores import num_cores
from darkroom.system.errors import InputError
from darkroom.system.secrets import redact
from darkroom.training import devices
from darkroom.training.linear import one_hot
from darkroom.training.principal_components import reduced
from darkroom.vector_store import VectorStore
from darkroom.versions.addresses import fetched, is_address
from pipelines.paths import ROOT
from pipelines.review.reviewed_run import ReviewedRun
from pipelines.terminal import print_note

CHECK = "suggested"
NUM_FOLDS = 5
MAX_FEATURES = 256  # principal components of longer vectors
VECTORS = ROOT / "vectors"
BATCH = 8  # images at once
POOL = 20  # candidates for each suggestion: those of the smallest margins
SPLITS = ("train", "validation")  # a test image teaches nothing

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Suggestions:
    """What a person is asked about.

    Attributes:
        rows: Findings, as `darkroom.issues` has them.
        unlabelled: Ids of the images without a label among them, by path.
        images: The unlabelled images.
    """

    rows: list[dict[str, Any]]
    unlabelled: Mapping[str, str]
    images: Images


def suggest(run: ReviewedRun, decided: frozenset[str], number: int, config: IngestConfig, folder: Path) -> Suggestions:
    """Chooses the images whose labels would teach most.

    Args:
        run: The run whose embeddings and labels are used.
        decided: Images that people have judged already.
        number: How many at most.
        config: How the source is read.
        folder: Where the unlabelled images are packed; lasts as long as the review.

    Raises:
        InputError: The run's embeddings are not on this machine any more, or it has too few labelled images.
    """
    if run.embeddings is None or run.splits is None:
        raise InputError(
            f"the embeddings of run {run.run_id[:8]} are not on this machine (any more): run again with `darkroom run`, and name that run"
        )
    vectors = Embeddings(run.embeddings)
    unlabelled = _pack_unlabelled(run, decided, config, folder)
    table, labelled = _learnt_from(run.splits, vectors)
    others, new = _embedded(unlabelled, vectors, run.embeddings, folder)
    seen = np.concatenate([labelled, new])
    probabilities = _probabilities(table, seen)
    margins = _margins(probabilities, multilabel=table.task == "multilabel")
    names = [*table.column("image_id"), *others]
    margins[[row for row, name in enumerate(names) if name in decided]] = np.inf
    chosen = choose(margins, seen, number)
    paths = {name: path for path, name in unlabelled.items()} | dict(zip(table.column("image_id"), table.column("path"), strict=True))
    rows = [_row(paths[names[row]], names[row], float(margins[row]), probabilities[row], table, row < len(labelled)) for row in chosen]
    return Suggestions(rows, unlabelled, Images(folder))


def choose(margins: Floats, vectors: Floats, number: int) -> list[int]:
    """Rows of small margins that are unlike each other, the one that would teach most first.

    Args:
        margins: `(N,)` from 0 to 1; infinite for rows that are not to be chosen.
        vectors: `(N, D)` of unit length.
        number: How many at most.
    """
    pool = np.argsort(margins, kind="stable")[: POOL * number]
    pool = pool[np.isfinite(margins[pool])]
    chosen: list[int] = []
    distance = np.ones(len(pool), np.float32)  # to the nearest that is chosen, 0 to 1
    for _ in range(min(number, len(pool))):
        worth = (1 - margins[pool]) * distance
        worth[np.isin(pool, chosen)] = -1
        best = int(pool[worth.argmax()])
        chosen.append(best)
        distance = np.minimum(distance, np.clip(1 - vectors[pool] @ vectors[best], 0, 1))
    return chosen


def _learnt_from(splits: Manifest, vectors: Embeddings) -> tuple[Manifest, Floats]:
    """The rows for training and validation that have a vector, and the vectors."""
    rows = [
        row
        for row, (name, split, label) in enumerate(zip(splits.column("image_id"), splits.column("split"), _known(splits), strict=True))
        if split in SPLITS and name in vectors and label
    ]
    table = Manifest(splits.table.take(pa.array(rows, pa.int64())), splits.classes, splits.task, splits.data_version)
    units = independent_units(grouping_columns(table)) if rows else np.zeros(0, np.int64)
    if len(np.unique(units)) < 2:
        raise InputError("fewer than two labelled images are for training, which says nothing about others: label some more first")
    return table, vectors.of(table.column("image_id"))


def _known(splits: Manifest) -> list[bool]:
    """Whether the labels of each row are classes: one of a class that `split` dropped is not."""
    known = set(splits.classes)
    return [set(labels) <= known for labels in splits.label_lists()]


def _pack_unlabelled(run: ReviewedRun, decided: frozenset[str], config: IngestConfig, folder: Path) -> dict[str, str]:
    """Packs the images of the source that have no label, and gives their ids by path; says why they can't be read, if so."""
    paths, names = {path for path, _ in run.paths}, {name for _, name in run.paths} | decided
    try:
        with ImageWriter(folder) as writer, _opened(run, config) as (source, table):
            unlabelled = without_label(source, list_source(source, table, config, config.task), config, table)
            read = source.read([path for path in unlabelled if path not in paths])
            return {file.path: writer.add(file.data) for file in read if file.whole and image_id(file.data) not in names}
    except InputError as error:
        print_note(f"only images with a label are suggested, as the others can't be read: {redact(str(error))}")
        return {}


@contextmanager
def _opened(run: ReviewedRun, config: IngestConfig) -> Iterator[tuple[Source, str]]:
    """The run's source as it is now, see `open_source`; of an address only what has no label is fetched, and tables."""
    known = {}
    if is_address(run.source) and "image_bytes" in run.delivered.table.column_names:
        known = dict(zip(run.delivered.column("path"), run.delivered.column("image_bytes"), strict=True))
    with fetched(run.source, "", lambda files: [path for path in files if path not in known]) as place:
        yield open_source(place, int(config.max_file_mb * 2**20), known)


def _embedded(unlabelled: Mapping[str, str], vectors: Embeddings, embeddings: Path, folder: Path) -> tuple[list[str], Floats]:
    """The unlabelled images that can be decoded, and their vectors by the backbone of the run, kept where those of runs are."""
    wanted = sorted(set(unlabelled.values()))
    if not wanted:
        return [], np.zeros((0, vectors.origin.num_features), np.float32)
    backbone, place = embedding_backbone(embeddings, vectors.origin), choose_place("auto", "float32")
    kept = VectorStore(VECTORS, replace(vectors.origin, precision=place.precision, device=place.device), wanted)
    missing = [name for name in wanted if name not in kept]
    if missing:
        print(f"looks at {len(missing):,} images without a label", file=sys.stderr, flush=True)
        with devices.threads(1):
            for rows, _ in embed_images(Images(folder), missing, embedder(backbone, place), backbone.recipe, BATCH, num_cores()):
                if rows is not None:
                    kept.add(rows)
        kept.flush()
    found = pa.Table.from_batches(kept.rows(wanted), schema(vectors.origin.num_features)).combine_chunks()
    values = np.asarray(found["vector"].combine_chunks().flatten().to_numpy(zero_copy_only=False), np.float32)
    return found["image_id"].to_pylist(), values.reshape(len(found), -1)


def _probabilities(table: Manifest, vectors: Floats) -> Floats:
    """Answers of models that have not learnt from an image, nor from what is tied to it: `(N, K)`; the first images have labels."""
    targets, unit = table.targets(), independent_units(grouping_columns(table))
    known, exclusive = one_hot(targets, len(table.classes)), table.task != "multilabel"
    folds = np.full(len(vectors), NO_FOLD)
    num_folds = min(NUM_FOLDS, int(unit.max()) + 1)
    folds[: len(table)] = assign_folds(
        csr_array(known.astype(np.int64)), unit, np.arange(len(table)), num_folds, exclusive=exclusive, seed=0
    )
    wanted = np.vstack([known, np.zeros((len(vectors) - len(table), len(table.classes)), np.float32)])
    return out_of_fold(reduced(vectors, MAX_FEATURES), wanted, folds, exclusive=exclusive)


def _margins(probabilities: Floats, *, multilabel: bool) -> Floats:
    """What the first answer leads by, 0 to 1; of several labels, the least sure one."""
    if multilabel:
        least: Floats = np.abs(2 * probabilities - 1).min(1)
        return least
    ordered = np.sort(probabilities, axis=1)
    lead: Floats = ordered[:, -1] - ordered[:, -2]
    return lead


def _row(path: str, name: str, margin: float, probabilities: Floats, table: Manifest, is_labelled: bool) -> dict[str, Any]:
    doubt = -np.abs(probabilities - 0.5) if table.task == "multilabel" else probabilities
    order = doubt.argsort()[::-1][:2]
    likely = " or ".join(f"{table.classes[index]!r} ({probabilities[index]:.2f})" for index in order)
    detail = f"may show {likely}" + ("" if is_labelled else ", and has no label")
    return {"path": path, "image_id": name, "check": CHECK, "score": 1 - margin, "action": "flagged", "detail": detail, "other": None}
