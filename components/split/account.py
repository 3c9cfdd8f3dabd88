"""The account of a split: how many images went where, and what is said of it."""

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from components.split.config import SplitConfig
from components.split.constraints import SPLITS
from darkroom.leaks import Leaks
from darkroom.system.errors import InputError
from darkroom.units import Integers

EXCLUDED = 3
NAMES = np.array([*SPLITS, "excluded"])

Flags = npt.NDArray[np.bool_]


def counts_of(labels: csr_array, codes: Integers) -> Integers:
    """Images of each label in each split, and in the last row all images of the split: `(K + 1, 3) int64`.

    Args:
        labels: `(N, K)` of 0 and 1, which labels each image has.
        codes: `(N,)`: the place of each one's split in `NAMES`.
    """
    return np.stack([count_labels(labels, codes == split) for split in range(len(SPLITS))], axis=1)


def measures_of(counts: Integers, codes: Integers, kept: Flags, frozen: Flags, num_copies: int, leaks: Leaks | None) -> dict[str, float]:
    """What there is to measure of a split, see `components.split.split.split`.

    Args:
        counts: See `counts_of`.
        codes: `(N,)`: the place of each image's split in `NAMES`.
        kept: `(K,)`: which classes were not dropped.
        frozen: `(N,)`: which images are in the frozen evaluation set, or tied to it.
        num_copies: Of them, how many the pixels confirm to show the same as one of it.
        leaks: What leaks, or nothing where that was not tested.
    """
    shares = counts[:-1][kept] / np.maximum(counts[-1], 1)
    overall = counts[:-1][kept].sum(axis=1) / counts[-1].sum()
    measures: dict[str, float] = {f"num_{name}": int((codes == code).sum()) for code, name in enumerate(NAMES.tolist())}
    measures["num_rare_classes"] = int((~kept).sum())
    measures["largest_share_gap"] = float(np.abs(shares - overall[:, None]).max(initial=0.0))
    measures |= {"num_in_evaluation_set": float(frozen.sum()), "num_copies_of_evaluation_set": float(num_copies)}
    return measures | ({f"leaks_{name}": getattr(leaks, name) for name in ("share", "low", "high")} if leaks else {})


def count_labels(labels: csr_array, chosen: Flags) -> Integers:
    """Chosen images of each label, and in the last element all chosen images: `(K + 1,) int64`."""
    return np.append(labels[np.flatnonzero(chosen)].sum(axis=0), chosen.sum()).astype(np.int64)


def describe_split(measures: dict[str, float]) -> list[str]:
    """What is said of the numbers of images."""
    said = [", ".join(f"{measures[f'num_{name}']:,.0f} {name}" for name in NAMES.tolist())]
    if frozen := measures["num_in_evaluation_set"]:
        copies = measures["num_copies_of_evaluation_set"]
        how = f"or tied to it; {copies:,.0f} show the same as one of it" if copies else "or tied to it"
        said.append(f"{frozen:,.0f} images are excluded: they are in the evaluation set (evaluate.data), {how}")
    return said


def check_excluded(num_tied: int, number: int, config: SplitConfig) -> None:
    """Refuses a split that trains on too few images, because others are tied to validation or test.

    Raises:
        InputError: It does.
    """
    if num_tied > config.max_excluded * number:
        less = "set split.leaks=warn" if config.leaks == "merge" else "tie less (clean.near_duplicates=flag, clean.same_things=flag)"
        by_column = (
            f"that split.hold_out={config.hold_out}, or an earlier or given split, holds",
            "hold out by group (split.hold_out=group)",
        )
        by_split = "of an earlier or a given split", "make a new test set (split.previous=none, split.given=ignore)"
        whose, other = by_column if config.hold_out else by_split
        raise InputError(
            f"a group, a cluster of clean (near_duplicates, same_things) or a leak ties {num_tied:,} of {number:,} images to test or "
            f"validation images {whose}, so that they can't be trained on, above split.max_excluded {config.max_excluded:g}: {other}, "
            f"{less}, or raise it"
        )


def describe_tied(num_tied: int) -> list[str]:
    """What is said of images that are tied to validation or test."""
    return (
        [f"{num_tied:,} images are excluded: a group or a duplicate ties them to a test or validation image, or they leak into one"]
        if num_tied
        else []
    )
