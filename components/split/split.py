"""Assigns every image to train, validation or test: stratified, with groups kept together, and stable from run to run."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from components.split.account import EXCLUDED, NAMES, check_excluded, count_labels, counts_of, describe_split, describe_tied, measures_of
from components.split.config import SplitConfig
from components.split.constraints import (
    FREE,
    SPLITS,
    TEST,
    TRAIN,
    TRAIN_POOL,
    VALIDATION,
    given_constraints,
    previous_constraints,
    read_previous,
)
from components.split.hold_out import hold_out
from components.split.leak_policy import LeakPolicy, joined, told, with_clusters
from components.split.relabelled import relabelled_test_images
from components.split.straddling import check_classes, check_straddling
from components.split.training_proposals import apply_proposals
from darkroom import manifest
from darkroom.folds import NO_FOLD, assign_folds
from darkroom.frozen_evaluation import fitted
from darkroom.groups import canonical_order, grouping_columns, independent_units
from darkroom.manifest import FOLD, Manifest
from darkroom.notes import Note, tell
from darkroom.stratification import stratify_images
from darkroom.system.errors import InputError
from darkroom.units import Integers

_ONCE = "those of a group count once, and so does what clean ties: clean.near_duplicates, clean.same_things, and checks that are set to tie"
_EARLIER = "; groups of an earlier assignment count, too, see split.previous"


def split(
    cleaned: Path,
    splits: Path,
    *,
    config: SplitConfig,
    previous: Path | None = None,
    evaluation_cleaned: Path | None = None,
    images: Path | None = None,
    embeddings: Path | None = None,
    evaluation_images: Path | None = None,
    evaluation_embeddings: Path | None = None,
    leaks: Path | None = None,
) -> dict[str, float]:
    """Assigns every image to train, validation or test, and tests what leaks from training into the images that are tested on.

    Images that share a group, a cluster of duplicates or an `image_id` stay together. A validation or test split that the
    source gives is kept as it is and receives no further images; a split that the source does not give is drawn from the remaining
    images in the ratio of the fractions. A previous assignment takes precedence over the source's. Where images that are tied together
    belong to different splits, test wins over validation and validation over train; the other images are `excluded`. So are the images
    of a dropped class, which is also removed from `classes`. What `clean` proposes (`darkroom.proposals`) is applied to training images
    alone. A test split that a column decides (`split.hold_out`) is fixed as a given one is.

    Args:
        cleaned: Manifest of kept images.
        splits: Where the manifest with its `split` column is written, rows in the order they came.
        config: Fractions, seed, and what to do with given splits and small classes.
        previous: A previous assignment to keep, or none.
        evaluation_cleaned: What `clean` kept of a frozen evaluation set, or none: its images, and what is tied to them by a
            cluster, a group or what they show, are `excluded`.
        images: The packed images, or none.
        embeddings: What `embed` made of them; without images and embeddings nothing is tested for leaks.
        evaluation_images: The packed images of the frozen evaluation set, or none.
        evaluation_embeddings: What `embed` made of them.
        leaks: Where the leaks are written, see `darkroom.leaks`, or none.

    Returns:
        Images in each split, excluded images, dropped classes, the largest gap between a class's share in a split
        and over all (0 to 1), the share of tested images that leak with its limits, and how many proposals were applied and not.

    Raises:
        InputError: Too few images or classes, a class too small where that is to fail, a previous assignment of another kind of task, an
            evaluation set that does not fit, proposals that leave nothing to train on, or leaks where these are to fail.
    """
    current = manifest.read(cleaned)
    if len(current) == 0:
        raise InputError("there is no image to split: every one was dropped before, see the issues that clean wrote")
    order = canonical_order(current.table)
    current = replace(current, table=current.table.take(order))
    previous_splits = read_previous(previous, current) if previous else None
    evaluation = manifest.read(evaluation_cleaned) if evaluation_cleaned else None
    policy = LeakPolicy.of(current, evaluation, (images, evaluation_images), (embeddings, evaluation_embeddings), config)
    assigned = _assign_all(current, previous_splits, evaluation, policy, config)
    applied = apply_proposals(current, evaluation, assigned.codes, TRAIN, EXCLUDED)
    current, codes, labels = applied.manifest, applied.codes, _label_matrix(applied.manifest)
    trained, untrained = _classes_to_train_on(current, labels, codes, config, is_merged=assigned.merged is not None and bool(previous))
    kept = assigned.kept & trained
    _exclude_classes(current, labels, codes, kept, assigned.unit, previous_splits)
    _require_fitting(evaluation, current, kept)
    counts = counts_of(labels, codes)
    wrong = [*check_straddling(current, codes, config), *check_classes(current.classes, counts, config)]
    current = with_clusters(current, assigned.merged, codes)
    leaking = policy.measured(current, codes, leaks)
    current = _with_folds(current, labels, assigned.unit, codes, config)
    measures = {**measures_of(counts, codes, kept, assigned.frozen, assigned.num_copies, leaking), **applied.measures()}
    said, leaked = told(leaking)
    doubts = [*leaked, *assigned.warnings, *untrained, *describe_tied(assigned.num_tied), *applied.notes(), *wrong]
    relabelled = relabelled_test_images(current, NAMES[codes].tolist(), previous_splits)
    notes = tell("split", [*describe_split(measures), *assigned.said, *said, *relabelled], doubts)
    _write(_noted(current, evaluation, notes), codes, kept, np.argsort(order), splits)
    return measures


def _noted(current: Manifest, evaluation: Manifest | None, notes: Sequence[Note]) -> Manifest:
    """The manifest with further notes, after those of the steps that a frozen evaluation set went through, under their tasks' names."""
    of_evaluation = [replace(note, step=f"{note.step}_evaluation") for note in evaluation.notes] if evaluation else []
    return replace(current, notes=(*current.notes, *of_evaluation, *notes))


class _Assigned(NamedTuple):
    """The splits, before proposals are applied.

    Attributes:
        codes: `(N,) int64`, of `NAMES`.
        unit: The unit of each row, those of a previous assignment behind; what shares one stays together.
        kept: Classes with enough images, `(K,) bool`.
        frozen: Rows that are excluded for the frozen evaluation set, `(N,) bool`.
        num_copies: How many show the same as an image of it.
        num_tied: How many are excluded as they are tied to images of another split.
        said: How the test images were chosen, where a column decides that.
        warnings: What may be wrong with it.
        merged: The clusters of images that would leak into each other, where these are merged.
    """

    codes: Integers
    unit: Integers
    kept: npt.NDArray[np.bool_]
    frozen: npt.NDArray[np.bool_]
    num_copies: int
    num_tied: int
    said: list[str]
    warnings: list[str]
    merged: Integers | None


def _assign_all(
    current: Manifest, previous_splits: Manifest | None, evaluation: Manifest | None, policy: LeakPolicy, config: SplitConfig
) -> _Assigned:
    constraints, given_unit, open_splits = _constrain(current, previous_splits, config)
    merged, copies = policy.merged(), policy.copies_of_evaluation()
    unit = joined(given_unit, merged)
    frozen = _in_evaluation_set(current, evaluation) | np.isin(unit[: len(current)], unit[copies])
    said, doubts = list[str](), list[str]()
    if config.hold_out:
        if not open_splits[TEST]:
            raise InputError("the source gives a test split, and split.hold_out another one: set split.given=ignore, or leave that empty")
        constraints[: len(current)], said, doubts = hold_out(current, constraints[: len(current)], frozen, config)
        open_splits[TEST] = False
    labels, exclusive = _label_matrix(current), current.task != "multilabel"
    counted = unit if previous_splits is None else given_unit  # nothing that is merged makes a class of an earlier test set rare
    kept, warnings = _classes_with_enough_images(current, labels, counted, config)
    usable = kept[labels.indices] & ~frozen if exclusive else ~frozen
    codes = _assign(labels, unit, constraints, usable, open_splits, config, exclusive=exclusive)
    codes[usable & _validated(given_unit, constraints, len(codes))] = VALIDATION  # no leak moves an image out of it
    codes[policy.excluded(codes)] = EXCLUDED
    num_tied = int(((codes == EXCLUDED) & usable).sum())
    check_excluded(num_tied, int(usable.sum()), config)
    return _Assigned(codes, unit, kept, frozen, len(copies), num_tied, said, [*doubts, *warnings], merged)


def _in_evaluation_set(current: Manifest, evaluation: Manifest | None) -> npt.NDArray[np.bool_]:
    """Which rows are in the frozen evaluation set, or tied to it, `(N,) bool`."""
    if evaluation is None or not len(evaluation):
        return np.zeros(len(current), dtype=bool)
    unit = independent_units(grouping_columns(current, evaluation))
    return np.isin(unit[: len(current)], unit[len(current) :])


def _constrain(
    current: Manifest, previous_splits: Manifest | None, config: SplitConfig
) -> tuple[Integers, Integers, npt.NDArray[np.bool_]]:
    """The split that each row must go to (see `constraints`), the row's unit, and which splits take new images.

    In the first two, the rows of the previous assignment follow the current rows.
    """
    given = given_constraints(current) if config.given == "keep" else np.full(len(current), FREE, dtype=np.int64)
    open_splits = np.array([True, not (given == VALIDATION).any(), not (given == TEST).any()])
    if open_splits[1:].any():
        given = np.where(given == TRAIN, TRAIN_POOL, given)
    if previous_splits is None:
        return given, independent_units(grouping_columns(current)), open_splits
    before = dict(zip(previous_splits.column("image_id"), previous_constraints(previous_splits).tolist(), strict=True))
    known = np.array([before.get(name, FREE) for name in current.column("image_id")], dtype=np.int64)
    constraints = np.concatenate([np.where(known == FREE, given, known), previous_constraints(previous_splits)])
    return constraints, independent_units(grouping_columns(current, previous_splits)), open_splits


def _label_matrix(current: Manifest) -> csr_array:
    """Which labels each image has, `(N, K)` of 0 and 1."""
    targets = current.targets()
    if current.task == "multilabel":
        return csr_array(targets)
    return csr_array(
        (np.ones(len(targets), dtype=np.int64), targets, np.arange(len(targets) + 1)), shape=(len(targets), len(current.classes))
    )


def _classes_with_enough_images(
    current: Manifest, labels: csr_array, unit: Integers, config: SplitConfig
) -> tuple[npt.NDArray[np.bool_], list[str]]:
    """Which classes have as many independent images as there are splits, `(K,) bool`, and a sentence for each other; of multi-label all."""
    kept, warnings = np.ones(len(current.classes), dtype=bool), list[str]()
    if current.task == "multilabel":
        return kept, warnings
    pairs = np.unique(np.stack([labels.indices.astype(np.int64), unit[: len(current)]]), axis=1)
    independent = np.bincount(pairs[0], minlength=len(kept))
    for number in np.flatnonzero(independent < len(SPLITS)).tolist():
        count = f"class {current.classes[number]!r} has {independent[number]} independent images (copies and groups count once)"
        warnings.append(_drop_or_fail(f"{count}, fewer than the {len(SPLITS)} splits", config))
        kept[number] = False
    return kept, warnings


def _classes_to_train_on(
    current: Manifest, labels: csr_array, codes: Integers, config: SplitConfig, *, is_merged: bool
) -> tuple[npt.NDArray[np.bool_], list[str]]:
    """Which classes have an image to train on, `(K,) bool`, and a sentence for each other; of multi-label all.

    Where leaks are merged and there is an earlier assignment (`is_merged`), nothing leaves its test set, so that no class is dropped.
    """
    kept, warnings = np.ones(len(current.classes), dtype=bool), list[str]()
    if current.task == "multilabel":
        return kept, warnings
    existing = np.bincount(labels.indices[codes < EXCLUDED], minlength=len(kept))
    trained = np.bincount(labels.indices[codes == TRAIN], minlength=len(kept))
    for number in np.flatnonzero((existing > 0) & (trained == 0)).tolist():
        finding = f"class {current.classes[number]!r} has {existing[number]} images for validation or testing and none to train on"
        if is_merged:
            remedy = "make a new test set (split.previous=none), or set split.leaks=warn"
            raise InputError(f"{finding}, as split.leaks is merge and all others are tied to these of an earlier split: {remedy}")
        warnings.append(_drop_or_fail(finding, config))
        kept[number] = False
    return kept, warnings


def _drop_or_fail(finding: str, config: SplitConfig) -> str:
    """What is said of a class that is dropped."""
    if config.rare_classes == "fail":
        raise InputError(f"{finding}: add images of it, or set split.rare_classes to drop (it is fail)")
    return f"{finding}: the class is dropped and its images are excluded"


def _assign(
    labels: csr_array,
    unit: Integers,
    constraints: Integers,
    usable: npt.NDArray[np.bool_],
    open_splits: npt.NDArray[np.bool_],
    config: SplitConfig,
    *,
    exclusive: bool,
) -> Integers:
    """The split of each current row, `(N,) int64` of 0 to 3."""
    num = len(usable)
    binding = np.full(int(unit.max()) + 1, FREE, dtype=np.int64)
    np.maximum.at(binding, unit, constraints)  # test over validation over train
    codes = binding[unit[:num]]
    codes[(constraints[:num] != FREE) & (np.maximum(constraints[:num], TRAIN) < codes)] = EXCLUDED
    codes[~usable] = EXCLUDED
    free = np.flatnonzero(codes < TRAIN)
    if len(free) == 0:
        return codes
    placed = np.stack([count_labels(labels, codes == split) for split in range(3)], axis=1)
    pool = len(free) + int(np.isin(codes, np.flatnonzero(open_splits)).sum())  # without splits that take no more
    shares = np.array(config.shares(pool, bool(open_splits[VALIDATION]), bool(open_splits[TEST])))
    codes[free] = stratify_images(labels[free], unit[free], placed, shares * open_splits, exclusive=exclusive, seed=config.seed)
    return codes


def _validated(unit: Integers, constraints: Integers, num: int) -> npt.NDArray[np.bool_]:
    """Which rows an earlier or given split holds in validation, and new ones of their units, `(N,) bool`; none tied to test by a group."""
    binding = np.full(int(unit.max()) + 1, FREE, dtype=np.int64)
    np.maximum.at(binding, unit, constraints)
    found: npt.NDArray[np.bool_] = np.isin(constraints[:num], (FREE, VALIDATION)) & (binding[unit[:num]] == VALIDATION)
    return found


def _exclude_classes(
    current: Manifest, labels: csr_array, codes: Integers, kept: npt.NDArray[np.bool_], unit: Integers, previous: Manifest | None
) -> None:
    """Excludes the images of dropped classes; raises `InputError` where too little is left."""
    if current.task != "multilabel":
        codes[~kept[labels.indices]] = EXCLUDED
    _require_every_split(current, codes, kept, len(np.unique(unit[: len(codes)])), "" if previous is None else _EARLIER)


def _require_fitting(evaluation: Manifest | None, current: Manifest, kept: npt.NDArray[np.bool_]) -> None:
    """Refuses a frozen evaluation set that does not fit, before anything is trained."""
    if evaluation is not None and len(evaluation):
        fitted(evaluation, [name for name, stays in zip(current.classes, kept, strict=True) if stays], current.task)


def _require_every_split(current: Manifest, codes: Integers, kept: npt.NDArray[np.bool_], num_units: int, earlier: str) -> None:
    many = f"the {len(current):,} images are {num_units:,} independent ones ({_ONCE}{earlier})"
    if current.task != "multilabel" and kept.sum() < 2:
        left = ", ".join(repr(name) for name, stays in zip(current.classes, kept, strict=True) if stays) or "none"
        raise InputError(
            f"fewer than two classes are left to tell apart ({left}): each needs at least {len(SPLITS)} independent images, and {many}: "
            "add images, or tie less"
        )
    for code, name in enumerate(SPLITS):
        if not (codes == code).any():
            remedy = "add images, tie less, change the fractions, or set split.given to ignore"
            raise InputError(f"no image is left for {name}: {many}: {remedy}")


def _with_folds(current: Manifest, labels: csr_array, unit: Integers, codes: Integers, config: SplitConfig) -> Manifest:
    """The table with the folds of cross-validation, where these are asked for."""
    if not config.num_folds:
        return current
    divided = np.flatnonzero((codes == TRAIN) | (codes == VALIDATION))
    folds = assign_folds(labels, unit[: len(codes)], divided, config.num_folds, exclusive=current.task != "multilabel", seed=config.seed)
    if (filled := len(np.unique(folds[divided]))) < config.num_folds:
        raise InputError(f"split.num_folds is {config.num_folds}, and the images (groups and copies count once) fill {filled}: lower it")
    values = [None if fold == NO_FOLD else fold for fold in folds.tolist()]
    return replace(current, table=manifest.put_column(current.table, FOLD, values))


def _write(current: Manifest, codes: Integers, kept: npt.NDArray[np.bool_], inverse: Integers, splits: Path) -> None:
    table = manifest.put_column(current.table, "split", NAMES[codes].tolist()).take(inverse).combine_chunks()
    classes = tuple(name for name, stays in zip(current.classes, kept, strict=True) if stays)
    task = "binary" if current.task == "multiclass" and len(classes) == 2 else current.task
    replace(current, table=table, classes=classes, task=task).write(splits)
