"""What `split` does about leaks: it tells them, refuses them, or ties the images that would leak."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from components.split.cluster_floor import floor_by_clusters, sampled
from components.split.config import SplitConfig
from components.split.constraints import SPLITS, TEST, TRAIN, VALIDATION
from components.split.leak_test import Gallery, clusters_of_leaks, copies_between, leaking_pairs, open_gallery
from darkroom.groups import grouping_columns, independent_units
from darkroom.leaks import COPY, SAME, SUSPICIOUS, Leaks, leaks_of, write_untested
from darkroom.manifest import Manifest, put_column
from darkroom.similarity.clusters import smallest_names
from darkroom.system.errors import InputError
from darkroom.system.mapped import hand_back
from darkroom.units import Integers, renumbered

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class LeakPolicy:
    """The images of a run, those of a frozen evaluation set where there is one, and the settings.

    Attributes:
        gallery: All images; nothing where they have no embeddings: then nothing is tested, nor tied.
        evaluation: Those of the frozen evaluation set.
        config: `leaks` and `leak_quantile`.
    """

    gallery: Gallery | None
    evaluation: Gallery | None
    config: SplitConfig

    @classmethod
    def of(
        cls,
        current: Manifest,
        evaluation: Manifest | None,
        images: tuple[Path | None, Path | None],
        embeddings: tuple[Path | None, Path | None],
        config: SplitConfig,
    ) -> "LeakPolicy":
        """Opens the images and embeddings of both."""
        galleries = [open_gallery(*one) for one in zip((current, evaluation), images, embeddings, strict=True)]
        return cls(galleries[0], galleries[1], config)

    def copies_of_evaluation(self) -> Integers:
        """The rows of the images that show the same as one of the frozen evaluation set."""
        if self.gallery is None or self.evaluation is None:
            return np.empty(0, np.int64)
        return np.unique(copies_between(self.gallery, self.evaluation).pairs[:, 0])

    def merged(self) -> Integers | None:
        """The clusters of images that would leak into each other, `(N,) int64`, where these are to be merged; else none."""
        return clusters_of_leaks(self.gallery, self.config.leak_quantile) if self.gallery and self.config.leaks == "merge" else None

    def excluded(self, codes: Integers) -> Flags:
        """Which training images still leak into validation or test, `(N,) bool`, where that is to be merged."""
        found = np.zeros(len(codes), bool)
        if self.gallery is None or self.config.leaks != "merge":
            return found
        training, held_out = np.flatnonzero(codes == TRAIN), np.flatnonzero((codes == TEST) | (codes == VALIDATION))
        tested = [self.gallery.at(held_out)] if self.evaluation is None else [self.gallery.at(held_out), self.evaluation]
        for one in tested:
            pairs, _ = leaking_pairs(one, self.gallery.at(training), self.config.leak_quantile)
            found[training[pairs[:, 1]]] = True
        return found

    def measured(self, current: Manifest, codes: Integers, leaks: Path | None) -> Leaks | None:
        """Tests what the model will be tested on, and writes what is found.

        Args:
            current: The images, with the labels that are trained on.
            codes: `(N,)`: the split of each image.
            leaks: Where to, or none.

        Raises:
            InputError: Something leaks, and that is to fail.
        """
        if self.gallery is None:
            if leaks:
                write_untested(leaks)
            return None
        gallery = replace(self.gallery, table=current)
        training = gallery.at(np.flatnonzero(codes == TRAIN))
        tested = self.evaluation or gallery.at(np.flatnonzero(codes == TEST))
        units = independent_units(grouping_columns(tested.table))
        few = sampled(units, self.config.seed, self.config.max_leak_tested)
        names = [] if len(few) == len(tested) else tested.at(few).table.column("image_id")
        tested, units = tested.at(few), units[few]
        pairs, every = leaking_pairs(tested, training, self.config.leak_quantile)
        hand_back()
        _, first = np.unique(pairs[:, 0], return_index=True)
        leaking = np.isin(np.arange(len(tested)), pairs[:, 0])
        floor = self._floor(self.gallery, codes)  # by labels as given: those that models proposed are no measure of models
        found = leaks_of([every[row] for row in first.tolist()], leaking, units, 1 - self.config.leak_quantile, floor, names)
        if leaks:
            found.write(leaks)
        if found.beyond_chance and self.config.leaks == "fail":
            raise InputError(f"{describe(found)}; split.leaks is fail: {_REMEDY}, or set split.leaks=warn")
        return found

    def _floor(self, gallery: Gallery, codes: Integers) -> dict[str, dict[str, float]]:
        used = gallery.at(np.flatnonzero(codes < len(SPLITS)))
        rows, table = used.embedded(), used.table
        if len(rows) < 2 * len(SPLITS):
            return {}
        unit = independent_units(grouping_columns(table))[rows]
        few = sampled(unit, self.config.seed)
        rows, unit = rows[few], renumbered(unit[few])
        shown = used.labels(rows, table.classes).astype(np.int64)
        kept = np.flatnonzero(shown.any(0))
        task = "multiclass" if table.task == "binary" and len(kept) != 2 else table.task
        return floor_by_clusters(used.vectors(rows)[:], shown[:, kept], unit, task, self.config.seed)


def joined(unit: Integers, merged: Integers | None) -> Integers:
    """The units `(M,)` of images, joined where their first ones are in one of the merged clusters `(N,)`."""
    if merged is None:
        return unit
    return independent_units([pa.array(unit), pa.array([*merged.tolist(), *[None] * (len(unit) - len(merged))], pa.int64())])


def with_clusters(current: Manifest, merged: Integers | None, codes: Integers) -> Manifest:
    """The images with what was merged as clusters, by which intervals and later splits know that it belongs together.

    Args:
        current: The images.
        merged: The merged clusters `(N,)`, or none.
        codes: `(N,)`: the split of each: what an earlier assignment holds apart stays so.
    """
    if merged is None:
        return current
    names = current.column("cluster" if "cluster" in current.table.column_names else "image_id")
    units = independent_units([pa.array(names, pa.string()), pa.array(merged)])
    places = units * (int(codes.max()) + 1) + codes
    return replace(current, table=put_column(current.table, "cluster", smallest_names(places, names)))


_REMEDY = (
    "name a column that says what belongs together (ingest.group_column), tie what looks alike (clean.near_duplicates, clean.same_things), "
    "or set split.leaks=merge"
)


_HOW = {COPY: "is a copy of", SAME: "shows the same thing as", SUSPICIOUS: "is nearer than different things are to"}


def describe(found: Leaks) -> str:
    """What is said of leaks, without a remedy."""
    first = found.found[0]
    return f"{found} have a suspicious neighbour in training, such as {first.path}, which {_HOW[first.check]} {first.other}"


def told(found: Leaks | None) -> tuple[list[str], list[str]]:
    """What is said of the leak test: what is usual, and what is wrong with the split."""
    if found is None:
        return [], []
    said = []
    if found.floor:
        scores = ", ".join(f"{found.floor[name]['f1_macro']:.3f} {how}" for name, how in _FLOORS if "f1_macro" in found.floor[name])
        said.append(
            f"f1_macro of a linear model on the embeddings is {scores}: the difference is what near images on both sides can be worth"
        )
    if found.beyond_chance:
        return said, [f"{describe(found)}; the score on them is better than on new images: {_REMEDY}"]
    return [f"the leak test finds nothing beyond chance: {found} have a suspicious neighbour in training", *said], []


_FLOORS = (("as_split", "under folds as split"), ("by_clusters", "under folds by clusters of the embeddings"))
