"""Assigns every image to train, validation or test: stratified, groups together, and the same again next time."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from components.split.config import SplitConfig
from components.split.constraints import CARVABLE, NONE, SPLITS, TEST, TRAIN, VALIDATION, earlier_claims, given_claims, read_earlier
from components.split.stratify import spread
from darkroom import manifest
from darkroom.groups import Integers, settled_order, ties, units
from darkroom.manifest import Manifest
from darkroom.system.errors import InputError

EXCLUDED = 3
NAMES = np.array([*SPLITS, "excluded"])


def split(cleaned: Path, splits: Path, *, config: SplitConfig, previous: Path | None = None) -> dict[str, float]:
    """Assigns every image to train, validation or test.

    Images that share a group, a cluster of duplicates or an `image_id` stay together. A split that the source gives
    for validation or test is kept and takes nothing more; what it does not give is carved out of the rest, which
    then shares in the ratio of the fractions. An earlier assignment goes before the source's. Where ties join images
    of different splits, test wins over validation and validation over train; the others are `excluded`, as are the
    images of a dropped class, which leaves `classes` too.

    Args:
        cleaned: Manifest of kept images.
        splits: Where the manifest with its `split` column is written, rows in the order they came.
        config: Fractions, seed, and what to do with given splits and small classes.
        previous: An earlier assignment to keep, or none.

    Returns:
        Images in each split, excluded images, dropped classes, and the largest gap between a class's share in a split
        and over all (0 to 1).

    Raises:
        InputError: Too few images or classes, a class too small where that is to fail, or an earlier assignment of
            another kind of task.
    """
    now = manifest.read(cleaned)
    if len(now) == 0:
        raise InputError("there is no image to split: every one was dropped before, see the issues that clean wrote")
    order = settled_order(now.table)
    now = replace(now, table=now.table.take(order))
    earlier = read_earlier(previous, now) if previous else None
    claims, unit, open_splits = _settle(now, earlier, config)
    labels = _labels(now)
    kept = _kept_classes(now, labels, unit, config)
    usable = np.ones(len(now), dtype=bool) if now.task == "multilabel" else kept[labels.indices]
    codes = _assign(labels, unit, claims, usable, open_splits, config, exclusive=now.task != "multilabel")
    _report_ties(codes, usable)
    kept &= _trained(now, labels, codes, config)
    if now.task != "multilabel":
        codes[~kept[labels.indices]] = EXCLUDED
    _check(now, codes, kept)
    back = np.empty_like(order)
    back[order] = np.arange(len(order))
    _write(now, codes, kept, back, splits)
    return _measures(labels, codes, kept)


def _settle(now: Manifest, earlier: Manifest | None, config: SplitConfig) -> tuple[Integers, Integers, npt.NDArray[np.bool_]]:
    """For each row the split that it has a claim to (see `claims`), its unit, and which splits take new images.

    The rows of the earlier assignment follow those of now in the first two.
    """
    given = given_claims(now) if config.given == "keep" else np.full(len(now), NONE, dtype=np.int64)
    open_splits = np.array([True, not (given == VALIDATION).any(), not (given == TEST).any()])
    if open_splits[1:].any():
        given = np.where(given == TRAIN, CARVABLE, given)
    if earlier is None:
        return given, units(ties(now, None)), open_splits
    before = dict(zip(earlier.column("image_id"), earlier_claims(earlier).tolist(), strict=True))
    known = np.array([before.get(name, NONE) for name in now.column("image_id")], dtype=np.int64)
    claims = np.concatenate([np.where(known == NONE, given, known), earlier_claims(earlier)])
    return claims, units(ties(now, earlier)), open_splits


def _labels(now: Manifest) -> csr_array:
    """Which labels each image has, `(N, K)` of 0 and 1."""
    targets = now.targets()
    if now.task == "multilabel":
        return csr_array(targets)
    return csr_array((np.ones(len(targets), dtype=np.int64), targets, np.arange(len(targets) + 1)), shape=(len(targets), len(now.classes)))


def _kept_classes(now: Manifest, labels: csr_array, unit: Integers, config: SplitConfig) -> npt.NDArray[np.bool_]:
    """Which classes have as many independent images as there are splits, `(K,) bool`; for multi-label all."""
    kept = np.ones(len(now.classes), dtype=bool)
    if now.task == "multilabel":
        return kept
    pairs = np.unique(np.stack([labels.indices.astype(np.int64), unit[: len(now)]]), axis=1)
    independent = np.bincount(pairs[0], minlength=len(kept))
    for number in np.flatnonzero(independent < len(SPLITS)).tolist():
        count = f"class {now.classes[number]!r} has {independent[number]} independent images (copies and groups count once)"
        _drop_or_fail(f"{count}, fewer than the {len(SPLITS)} splits", config)
        kept[number] = False
    return kept


def _trained(now: Manifest, labels: csr_array, codes: Integers, config: SplitConfig) -> npt.NDArray[np.bool_]:
    """Which classes have an image to train on, `(K,) bool`; for multi-label all."""
    kept = np.ones(len(now.classes), dtype=bool)
    if now.task == "multilabel":
        return kept
    standing = np.bincount(labels.indices[codes < EXCLUDED], minlength=len(kept))
    trained = np.bincount(labels.indices[codes == TRAIN], minlength=len(kept))
    for number in np.flatnonzero((standing > 0) & (trained == 0)).tolist():
        _drop_or_fail(f"class {now.classes[number]!r} has {standing[number]} images for judging and none to train on", config)
        kept[number] = False
    return kept


def _drop_or_fail(finding: str, config: SplitConfig) -> None:
    if config.rare_classes == "fail":
        raise InputError(f"{finding}: add images of it, or set split.rare_classes to drop (it is fail)")
    print(f"warning: {finding}: the class is dropped and its images are excluded", flush=True)


def _assign(
    labels: csr_array,
    unit: Integers,
    claims: Integers,
    usable: npt.NDArray[np.bool_],
    open_splits: npt.NDArray[np.bool_],
    config: SplitConfig,
    *,
    exclusive: bool,
) -> Integers:
    """The split of each row of now, `(N,) int64` of 0 to 3."""
    num = len(usable)
    binding = np.full(int(unit.max()) + 1, NONE, dtype=np.int64)
    np.maximum.at(binding, unit, claims)  # test over validation over train
    codes = binding[unit[:num]]
    codes[(claims[:num] != NONE) & (np.maximum(claims[:num], TRAIN) < codes)] = EXCLUDED
    codes[~usable] = EXCLUDED
    free = np.flatnonzero(codes < TRAIN)
    if len(free) == 0:
        return codes
    placed = np.stack([_count(labels, codes == split) for split in range(3)], axis=1)
    _, inverse = np.unique(unit[free], return_inverse=True)
    members = csr_array((np.ones(len(free), dtype=np.int64), (inverse, np.arange(len(free)))))
    shares = np.array([1 - config.test_fraction - config.validation_fraction, config.validation_fraction, config.test_fraction])
    spread_units = spread(
        csr_array(members @ labels[free]),
        np.bincount(inverse).astype(np.int64),
        placed,
        shares * open_splits,
        exclusive=exclusive,
        seed=config.seed,
    )
    codes[free] = spread_units[inverse]
    return codes


def _count(labels: csr_array, chosen: npt.NDArray[np.bool_]) -> Integers:
    """Images of each label, and in the last place all, among the chosen rows: `(K + 1,) int64`."""
    return np.append(labels[np.flatnonzero(chosen)].sum(axis=0), chosen.sum()).astype(np.int64)


def _report_ties(codes: Integers, usable: npt.NDArray[np.bool_]) -> None:
    tied = int(((codes == EXCLUDED) & usable).sum())
    if tied:
        print(f"warning: {tied} images are excluded: a group or a duplicate ties them to a test or validation image", flush=True)


def _check(now: Manifest, codes: Integers, kept: npt.NDArray[np.bool_]) -> None:
    if now.task != "multilabel" and kept.sum() < 2:
        left = ", ".join(repr(name) for name, stays in zip(now.classes, kept, strict=True) if stays) or "none"
        raise InputError(f"fewer than two classes are left to tell apart ({left}): each needs at least {len(SPLITS)} independent images")
    for code, name in enumerate(SPLITS):
        if not (codes == code).any():
            raise InputError(
                f"no image is left for {name} out of {len(now)}: add images (groups and copies count once), change the fractions, "
                "or set split.given to ignore"
            )


def _write(now: Manifest, codes: Integers, kept: npt.NDArray[np.bool_], back: Integers, splits: Path) -> None:
    table = manifest.put_column(now.table, "split", NAMES[codes].tolist()).take(back).combine_chunks()
    classes = tuple(name for name, stays in zip(now.classes, kept, strict=True) if stays)
    task = "binary" if now.task == "multiclass" and len(classes) == 2 else now.task
    replace(now, table=table, classes=classes, task=task).write(splits)


def _measures(labels: csr_array, codes: Integers, kept: npt.NDArray[np.bool_]) -> dict[str, float]:
    counts = np.stack([_count(labels, codes == split) for split in range(3)], axis=1)
    shares = counts[:-1][kept] / np.maximum(counts[-1], 1)
    overall = counts[:-1][kept].sum(axis=1) / counts[-1].sum()
    measures: dict[str, float] = {f"num_{name}": int((codes == code).sum()) for code, name in enumerate(NAMES.tolist())}
    measures["num_rare_classes"] = int((~kept).sum())
    measures["largest_share_gap"] = float(np.abs(shares - overall[:, None]).max(initial=0.0))
    print(", ".join(f"{measures[f'num_{name}']:.0f} {name}" for name in NAMES.tolist()), flush=True)
    return measures
