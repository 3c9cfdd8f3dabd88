"""What differs between two snapshots: images, labels, splits, class shares, image statistics, and the drift of the embeddings."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from darkroom.groups import independent_units
from darkroom.images import Images
from darkroom.metrics.drift import MIN_VECTORS, Drift, drift, one_each
from pipelines.data.sample_vectors import Sample, sample_vectors
from pipelines.data.snapshot import DataImage, Snapshot, labels_of

KINDS = ("added", "removed", "relabelled", "moved")  # what may have happened to an image

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Change:
    """An image that is not as it was.

    Attributes:
        image_id: Its id.
        path: Its file, in the later data where it is there.
        before: Its labels, or where it was moved its split; empty where it is new.
        after: The same now; empty where it is gone.
    """

    image_id: str
    path: str
    before: str
    after: str


@dataclass(frozen=True)
class DataDifference:
    """What differs between two data versions.

    Attributes:
        before: The earlier data.
        after: The later data.
        changes: By kind, see `KINDS`; each in the order of the paths.
        num_kept: Images of both.
        statistics: A row a statistic: `name`, `before` and `after` with their 5 %, 50 % and 95 % quantiles.
        drift: The two tests; none where there are too few images.
        compared: What the tests compare, or why there are none.
        notes: What is not known, and how it was read.
    """

    before: Snapshot
    after: Snapshot
    changes: Mapping[str, Sequence[Change]]
    num_kept: int
    statistics: Sequence[Mapping[str, Any]]
    drift: Drift | None
    compared: str
    notes: Sequence[str]

    @property
    def classes(self) -> list[dict[str, Any]]:
        """A row a class: its images and its share of all images, before and after; by what runs made of both, or by both as delivered."""
        settled = bool(self.before.run_id and self.after.run_id)
        counts = [side.num_by_class(settled=settled) for side in (self.before, self.after)]
        totals = [max(1, len(side.images)) for side in (self.before, self.after)]
        names = sorted({*counts[0], *counts[1]})
        pairs = [(name, counts[0].get(name, 0), counts[1].get(name, 0)) for name in names]
        return [
            {"name": name, "before": old, "after": new, "share_before": old / totals[0], "share_after": new / totals[1]}
            for name, old, new in pairs
        ]

    def plain(self) -> dict[str, Any]:
        """All of it as JSON has it."""
        sides = {
            side: {"name": found.name, "data_version": found.version, "images": len(found.images), "run_id": found.run_id}
            for side, found in (("before", self.before), ("after", self.after))
        }
        changes = {kind: [asdict(change) for change in self.changes[kind]] for kind in KINDS}
        counts = {kind: len(self.changes[kind]) for kind in KINDS}
        return {
            **sides, "counts": {**counts, "kept": self.num_kept}, **changes, "classes": self.classes, "statistics": list(self.statistics),
            "drift": asdict(self.drift) if self.drift else None, "compared": self.compared, "notes": list(self.notes),
        }  # fmt: skip


def find_difference(
    before: Snapshot, after: Snapshot, settings: Mapping[str, Any], scratch: Path, *, num_sampled: int, seed: int = 0
) -> DataDifference:
    """Compares two snapshots.

    Args:
        before: The earlier data.
        after: The later data.
        settings: Of `embed`, for images whose vectors no run has kept.
        scratch: A folder for what is computed.
        num_sampled: Images of each side at most whose vectors are compared; their statistics, too.
        seed: Decides which, and the tests' permutations.

    Raises:
        InputError: The vectors can't be computed.
    """
    old, new, compared = _sides(before, after)
    drawn = [one_each(_units(names, before.images, after.images), num_sampled, seed) for names in (old, new)]
    old, new = ([names[row] for row in rows] for names, rows in zip((old, new), drawn, strict=True))
    old = [name for name in old if name not in _tied(new, old, before.images, after.images)]
    shown = [_draw(side, num_sampled, seed) for side in (before, after)]
    files = Images(*before.packed, *after.packed)
    sample = sample_vectors([*old, *new, *shown[0], *shown[1]], files, settings, scratch)
    found, why = _drift(sample.vectors(old), sample.vectors(new), compared, seed)
    statistics = [*_sizes(before, after), *_looks(sample, *shown)]
    notes = [*before.notes, *after.notes, *_said(sample, before, after)]
    kept = before.images.keys() & after.images.keys()
    return DataDifference(before, after, _changes(before, after), len(kept), statistics, found, why, tuple(dict.fromkeys(notes)))


def _changes(before: Snapshot, after: Snapshot) -> dict[str, list[Change]]:
    found: dict[str, list[Change]] = {kind: [] for kind in KINDS}
    for name, image in after.images.items():
        was = before.images.get(name)
        if was is None:
            found["added"].append(Change(name, image.path, "", ", ".join(labels_of(image))))
            continue
        old, new = _comparable(was, image)
        if old != new:
            found["relabelled"].append(Change(name, image.path, ", ".join(old), ", ".join(new)))
        if was.split and image.split and was.split != image.split:
            found["moved"].append(Change(name, image.path, was.split, image.split))
    gone = [(name, image) for name, image in before.images.items() if name not in after.images]
    found["removed"] = [Change(name, image.path, ", ".join(labels_of(image)), "") for name, image in gone]
    return {kind: sorted(changes, key=lambda change: (change.path, change.image_id)) for kind, changes in found.items()}


def _comparable(was: DataImage, image: DataImage) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The labels of an image on both sides: as both were settled by a run, else as both were delivered; equal where one is not known."""
    if was.settled is not None and image.settled is not None:
        return was.settled, image.settled
    return ((), ()) if was.labels is None or image.labels is None else (was.labels, image.labels)


def _sides(before: Snapshot, after: Snapshot) -> tuple[list[str], list[str], str]:
    """The images that the tests compare, and what these are."""
    added = sorted(after.images.keys() - before.images.keys())
    removed, kept = sorted(before.images.keys() - after.images.keys()), sorted(before.images.keys() & after.images.keys())
    if added:
        return sorted(before.images), added, "the added images with those of before" if kept else "the later images with the earlier ones"
    return kept, removed, "the removed images with those that stay" if removed else "images, as neither side has one that the other lacks"


def _units(names: Sequence[str], *sides: Mapping[str, DataImage]) -> npt.NDArray[np.int64]:
    """The number of each image's unit: images tied by a group, a cluster or equal pixels have the same one."""
    if not names:
        return np.zeros(0, np.int64)
    ties = [_ties(name, *sides) for name in names]
    columns = [pa.array(column, pa.string()) for column in zip(*ties, strict=True)]
    return independent_units([pa.array(names, pa.string()), *columns])


def _ties(name: str, *sides: Mapping[str, DataImage]) -> tuple[str | None, ...]:
    """Group, cluster and hash of pixels of an image, from the sides that know them; each kind under names of its own."""
    known = [side[name].ties for side in sides if name in side]
    return tuple(next((ties[place] for ties in known if len(ties) > place and ties[place]), None) for place in range(3))


def _tied(new: Sequence[str], old: Sequence[str], *sides: Mapping[str, DataImage]) -> set[str]:
    """The old images that belong to a new one: such a pair is one observation, and it can't stand on both sides."""
    units = _units([*new, *old], *sides)
    ahead = set(units[: len(new)].tolist())
    return {name for name, unit in zip(old, units[len(new) :], strict=True) if unit in ahead}


def _draw(side: Snapshot, number: int, seed: int) -> list[str]:
    names = sorted(side.images)
    return [names[row] for row in np.sort(np.random.default_rng(seed).permutation(len(names))[:number])]


def _drift(old: npt.NDArray[np.float32], new: npt.NDArray[np.float32], compared: str, seed: int) -> tuple[Drift | None, str]:
    if min(len(old), len(new)) < MIN_VECTORS:
        return None, f"no test of {compared}: {len(old)} and {len(new)} independent images with a vector, of at least {MIN_VECTORS} a side"
    return drift(old, new, seed=seed), f"{compared}: {len(new)} with {len(old)}, of images that belong together one"


def _sizes(before: Snapshot, after: Snapshot) -> list[dict[str, Any]]:
    """Width, height and aspect of all images."""
    sides = [np.array([image.size_px for image in side.images.values() if image.size_px] or [(0, 0)], float) for side in (before, after)]
    rows = [_row("width, px", *(side[:, 0] for side in sides)), _row("height, px", *(side[:, 1] for side in sides))]
    return [*rows, _row("width / height", *(side[:, 0] / np.maximum(side[:, 1], 1) for side in sides))]


def _looks(sample: Sample, before: Sequence[str], after: Sequence[str]) -> list[dict[str, Any]]:
    """Brightness, contrast and colour of a sample of the images, from their thumbnails, each 0 to 1."""
    made, sides = sample.embeddings, []
    for names in (before, after):
        rows = made.rows([name for name in names if name in made])
        if not len(rows):
            return []
        grey, colours = made.grey[rows].astype(float) / 255, made.colours[rows].astype(float) / 255
        sides.append((grey.mean((1, 2)), grey.std((1, 2)), (colours.max(3) - colours.min(3)).mean((1, 2))))
    return [_row(name, *values) for name, values in zip(("brightness", "contrast", "colour"), zip(*sides, strict=True), strict=True)]


def _row(name: str, before: Floats, after: Floats) -> dict[str, Any]:
    quantiles = [
        dict(zip(("low", "median", "high"), np.quantile(side, [0.05, 0.5, 0.95]).tolist(), strict=True)) for side in (before, after)
    ]
    return {"name": name, "before": quantiles[0], "after": quantiles[1]}


def _said(sample: Sample, before: Snapshot, after: Snapshot) -> list[str]:
    notes = []
    if sample.num_computed:
        notes.append(f"{sample.num_computed:,} vectors that no run had kept were computed by {sample.backbone} now, and are kept")
    if sample.num_without:
        notes.append(f"{sample.num_without:,} of the sampled images have no vector, as they can't be decoded or are not to be had")
    if not any(any(image.ties) for side in (before, after) for image in side.images.values()):
        notes.append("no run has looked for copies: images count as independent of each other, which they may not be")
    return notes
