"""The gate behind `split`: nothing that belongs together stands in two splits, and every class stands in each."""

from collections.abc import Mapping, Sequence

import numpy as np

from components.split.config import SplitConfig
from components.split.constraints import SPLITS
from darkroom.manifest import Manifest
from darkroom.system.errors import InputError
from darkroom.units import Integers

TOGETHER = ("image_id", "group", "cluster", "pixel_hash")


def check_straddling(current: Manifest, codes: Integers, config: SplitConfig) -> list[str]:
    """Looks for a group or a cluster in two splits.

    Args:
        current: All images.
        codes: `(N,)`: the place of each one's split in `SPLITS`; above them it is excluded.
        config: `straddling` says whether that is an error.

    Returns:
        A sentence for each column in which there is one.

    Raises:
        InputError: There is one, and that is to fail.
    """
    found = []
    for name in TOGETHER:
        if name not in current.table.column_names:
            continue
        sides = _sides(current.column(name), codes)
        astride = sorted(value for value, splits in sides.items() if len(splits) > 1)
        if astride:
            splits = " and ".join(sorted(sides[astride[0]]))
            found.append(f"{len(astride):,} values of {name} stand in two splits, such as {astride[0]!r} in {splits}")
    if found and config.straddling == "fail":
        raise InputError(f"{found[0]}, above split.straddling=fail: make a new assignment (split.previous=none, split.given=ignore)")
    return found


def _sides(values: list[str | None], codes: Integers) -> Mapping[str, set[str]]:
    sides: dict[str, set[str]] = {}
    for value, code in zip(values, codes.tolist(), strict=True):
        if value is not None and code < len(SPLITS):
            sides.setdefault(value, set()).add(SPLITS[code])
    return sides


def check_classes(classes: Sequence[str], counts: Integers, config: SplitConfig) -> list[str]:
    """Looks for classes that a split lacks.

    Args:
        classes: Their names.
        counts: `(K + 1, 3)`, see `components.split.account.counts_of`.
        config: `missing_classes` says whether that is an error.

    Returns:
        A sentence for each split that lacks one.

    Raises:
        InputError: One does, and that is to fail.
    """
    found, shown = [], counts[:-1]
    for split, column in zip(SPLITS, shown.T, strict=True):
        missing = [repr(classes[number]) for number in np.flatnonzero((column == 0) & (shown.sum(1) > 0)).tolist()]
        if missing:
            more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
            found.append(f"no image in {split} shows {', '.join(missing[:5])}{more}: nothing can be said of it there")
    if found and config.missing_classes == "fail":
        raise InputError(f"{found[0]}; split.missing_classes is fail: add images of it, or set it to warn")
    return found
