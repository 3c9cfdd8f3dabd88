"""The leak test: which tested images have a neighbour in training that shows the same, or is too near to show something else."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from darkroom.embeddings import Embeddings
from darkroom.images import Images
from darkroom.leaks import COPY, SAME, SUSPICIOUS, Leak
from darkroom.manifest import Manifest
from darkroom.similarity.candidates import Projection
from darkroom.similarity.clusters import star_clusters
from darkroom.similarity.confirmation import Confirmed
from darkroom.similarity.levels import MIN_SIDE_PX, NEAR_DUPLICATE, SAME_THING
from darkroom.similarity.look_alikes import Seen, find_look_alikes, join, see
from darkroom.similarity.suspicion import Suspicious, suspicious_neighbours
from darkroom.units import Integers

TOGETHER = 65_536  # images that are compared with as many others at once

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Gallery:
    """Images of a table with their looks.

    Attributes:
        table: A row an image.
        packed: Their files.
        embeddings: Their vectors and thumbnails.
    """

    table: Manifest
    packed: Images
    embeddings: Embeddings

    def __len__(self) -> int:
        return len(self.table)

    def at(self, rows: Integers) -> "Gallery":
        """Some of the images."""
        return replace(self, table=replace(self.table, table=self.table.table.take(pa.array(rows))))

    def embedded(self) -> Integers:
        """The rows of the images that have a vector."""
        return np.flatnonzero([name in self.embeddings for name in self.table.column("image_id")])

    def comparable(self) -> Integers:
        """The rows of the images that are large enough to be compared by their pixels."""
        sides = np.minimum(*(np.array(self.table.column(name)) for name in ("width", "height")))
        return np.intersect1d(self.embedded(), np.flatnonzero(sides >= MIN_SIDE_PX))

    def seen(self, rows: Integers) -> Seen:
        """Some of the images, ready to be compared."""
        names = self.table.column("image_id")
        return see(self.packed, [names[row] for row in rows.tolist()], Projection(self.embeddings))

    def vectors(self, rows: Integers) -> "Vectors":
        """`(len(rows), D) float32`, of unit length, read when they are asked for."""
        names = self.table.column("image_id")
        return Vectors(self.embeddings, self.embeddings.rows(names[row] for row in rows.tolist()))

    def labels(self, rows: Integers, classes: Sequence[str]) -> Floats:
        """Which of the classes some images show, `(len(rows), K) float32` of 0 and 1."""
        index = {name: number for number, name in enumerate(classes)}
        given = self.table.label_lists()
        found = np.zeros((len(rows), len(classes)), np.float32)
        for place, row in enumerate(rows.tolist()):
            found[place, [index[label] for label in given[row] if label in index]] = 1
        return found


@dataclass(frozen=True)
class Vectors:
    """Some rows of embeddings: in float32 a million vectors of 1,280 features take 5 GB, so only those that are compared are in memory.

    Attributes:
        embeddings: Theirs.
        rows: `(N,)`, of the embeddings.
    """

    embeddings: Embeddings
    rows: Integers

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, chosen: slice) -> Floats:
        return self.embeddings.vectors[self.rows[chosen]].astype(np.float32)


def open_gallery(table: Manifest | None, images: Path | None, embeddings: Path | None) -> Gallery | None:
    """The images of a table with their looks; nothing where there is no image, or no embedding."""
    return Gallery(table, Images(images), Embeddings(embeddings)) if table and len(table) and images and embeddings else None


def copies_between(first: Gallery, second: Gallery, min_correlation: float = SAME_THING) -> Confirmed:
    """The pairs of an image of the first and one of the second that show the same, as the pixels confirm; pairs of their rows.

    Of many images so many are compared at a time that their thumbnails and vectors fit into memory.
    """
    found = [Confirmed(np.empty((0, 2), np.int64), np.empty(0))]
    for rows in _parts(first.comparable()):
        seen = first.seen(rows)
        for others in _parts(second.comparable()):
            sides = np.arange(len(rows) + len(others)) < len(rows)
            pairs, correlations = find_look_alikes(join(seen, second.seen(others)), min_correlation, sides=sides)
            found.append(Confirmed(np.stack([rows[pairs[:, 0]], others[pairs[:, 1] - len(rows)]], axis=1), correlations))
    return Confirmed(*map(np.concatenate, zip(*found, strict=True)))


def _parts(rows: Integers) -> list[Integers]:
    return [rows[start : start + TOGETHER] for start in range(0, len(rows), TOGETHER)]


def suspicious_between(first: Gallery, second: Gallery, quantile: float) -> Suspicious:
    """The pairs of an image of the first and one of the second that are too near to each other; pairs of their rows."""
    if first.embeddings.origin.key != second.embeddings.origin.key:
        return Suspicious(np.empty((0, 2), np.int64), np.empty(0))
    rows, others, classes = first.embedded(), second.embedded(), second.table.classes
    vectors, labels = (first.vectors(rows), second.vectors(others)), (first.labels(rows, classes), second.labels(others, classes))
    pairs, cosines = suspicious_neighbours(*vectors, *labels, quantile)
    return Suspicious(np.stack([rows[pairs[:, 0]], others[pairs[:, 1]]], axis=1), cosines)


def leaking_pairs(tested: Gallery, training: Gallery, quantile: float) -> tuple[Integers, list[Leak]]:
    """The pairs of a tested and a training image that leak: of rows, `(P, 2) int64`; by tested image, the surest first.

    Those do that the pixels confirm to be near-duplicates or the same thing again, and those whose vectors are too near.

    Args:
        tested: Images that are tested on.
        training: Images that are trained on.
        quantile: See `suspicious_neighbours`.
    """
    confirmed, suspicious = copies_between(tested, training), suspicious_between(tested, training, quantile)
    sure = np.concatenate([np.ones(len(confirmed.pairs), bool), np.zeros(len(suspicious.pairs), bool)])
    pairs, scores = (np.concatenate([first, second]) for first, second in zip(confirmed, suspicious, strict=True))
    order = np.lexsort((pairs[:, 1], -scores, ~sure, pairs[:, 0]))
    ids, paths, other_ids, others = (one.table.column(name) for one in (tested, training) for name in ("image_id", "path"))
    found = []
    for row, other, score, is_sure in zip(*pairs[order].T.tolist(), scores[order].tolist(), sure[order].tolist(), strict=True):
        check = SUSPICIOUS if not is_sure else COPY if score >= NEAR_DUPLICATE else SAME
        found.append(Leak(ids[row], paths[row], other_ids[other], others[other], check, round(score, 3)))
    return pairs[order], found


def clusters_of_leaks(gallery: Gallery, quantile: float) -> Integers:
    """Ties the images that would leak from one to the other on two sides of a split: `(N,) int64`, equal for those of one cluster."""
    rows, embedded = gallery.comparable(), gallery.embedded()
    confirmed = find_look_alikes(gallery.seen(rows)).pairs if len(rows) else np.empty((0, 2), np.int64)
    vectors, labels = gallery.vectors(embedded), gallery.labels(embedded, gallery.table.classes)
    near = suspicious_neighbours(vectors, vectors, labels, labels, quantile, themselves=True).pairs
    pairs = np.unique(np.concatenate([np.sort(rows[confirmed], axis=1), np.sort(embedded[near], axis=1)]), axis=0)
    return star_clusters(len(gallery), Confirmed(pairs, np.ones(len(pairs))))
