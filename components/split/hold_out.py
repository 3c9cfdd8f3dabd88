"""Test images by a column of the table: those of a site, a device or a patient that nothing is trained on, or the latest ones."""

from collections import Counter
from math import isnan
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from components.split.config import SplitConfig
from components.split.constraints import FREE, TEST, TRAIN_POOL
from components.split.times import read_times
from darkroom.manifest import Manifest
from darkroom.system.errors import InputError
from darkroom.units import Integers

SHOWN = 10  # values that a message names
_NEW = "make a new assignment (split.previous=none, split.given=ignore)"

Flags = npt.NDArray[np.bool_]


class HeldOut(NamedTuple):
    """What is held out.

    Attributes:
        constraints: `(N,) int64`: `TEST` for images that are, `TRAIN_POOL` for others that were free.
        said: What is said of it.
        doubts: What may be wrong with it.
    """

    constraints: Integers
    said: list[str]
    doubts: list[str]


def hold_out(current: Manifest, constraints: Integers, frozen: Flags, config: SplitConfig) -> HeldOut:
    """Chooses the test images by the values of `split.hold_out`, each value as a whole.

    Args:
        current: All images.
        constraints: `(N,) int64`: the split that the source or an earlier assignment gives each one, see `constraints`.
        frozen: `(N,)`: which are excluded for the frozen evaluation set, whatever split they had.
        config: The column, and the values; without these the largest or latest ones of a column of numbers, dates or times.

    Raises:
        InputError: There is no such column or value, the column has no order, or images are in another split already.
    """
    beside = ["group"] if current.table["group"].null_count < len(current) else []
    column = current.user_column(config.hold_out, "split.hold_out", beside)
    values = [None if isinstance(value, float) and isnan(value) else value for value in column.to_pylist()]
    is_text = pa.types.is_string(column.type) or pa.types.is_large_string(column.type)
    times = None if config.hold_out_values or not is_text else read_times(values, config.hold_out)
    values = values if times is None else times
    has_order = times is not None or _has_order(column.type)
    chosen = _named(values, config) if config.hold_out_values else _latest(values, has_order, constraints, config)
    free = np.isin(constraints, (FREE, TRAIN_POOL))
    number = int((~free & ~frozen & ((constraints == TEST) != chosen)).sum())
    if config.hold_out_values and number:
        raise InputError(
            f"{number:,} images are in another split, by an earlier assignment or in the source, than split.hold_out "
            f"{config.hold_out} wants: {_NEW}, or leave split.hold_out empty"
        )
    found = np.where(free, np.where(chosen, TEST, TRAIN_POOL), constraints)
    said = [f"the test images are those with {_shown(values, found == TEST)} in column {config.hold_out!r}"]
    return HeldOut(found, said, _doubts(values, found, config))


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()  # as YAML has it
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _named(values: list[Any], config: SplitConfig) -> Flags:
    """Which rows have one of the values that are named."""
    counts = Counter(_text(value) for value in values if value is not None)
    if unknown := sorted(set(config.hold_out_values) - set(counts)):
        raise InputError(
            f"split.hold_out_values has {unknown[0]!r}, which is not in column {config.hold_out!r}: there are {_counted(counts)}"
        )
    return np.array([value is not None and _text(value) in config.hold_out_values for value in values], bool)


def _has_order(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind) or pa.types.is_temporal(kind))


def _latest(values: list[Any], has_order: bool, constraints: Integers, config: SplitConfig) -> Flags:
    """Which free rows have the largest values, so many that the test split has nearest to its share, and no value stands on both sides."""
    if not has_order:
        counts = Counter(_text(value) for value in values if value is not None)
        raise InputError(
            f"column {config.hold_out!r} (split.hold_out) holds no numbers or dates, so none of its values is the latest: name those that "
            f"are to be tested on in split.hold_out_values; there are {_counted(counts)}"
        )
    free = [value for value, code in zip(values, constraints.tolist(), strict=True) if value is not None and code in (FREE, TRAIN_POOL)]
    wanted = (config.test_images or config.test_fraction * len(values)) - int((constraints == TEST).sum())
    ranked = sorted(Counter(free).items(), reverse=True)
    totals = np.cumsum([0, *(number for _, number in ranked)])
    first = 0 if (constraints == TEST).any() else 1
    if first and len(ranked) < 2:
        raise InputError(f"column {config.hold_out!r} (split.hold_out) has fewer than two values: nothing can be held out by it")
    place = first + int(np.abs(totals[first : len(totals) - first] - wanted).argmin())
    held = {value for value, _ in ranked[:place]}
    return np.array([value in held for value in values], bool)


def _doubts(values: list[Any], codes: Integers, config: SplitConfig) -> list[str]:
    """What is said of images without a value, and of tested images that are earlier than others."""
    found, blank = [], sum(value is None for value in values)
    if blank:
        found.append(f"{blank:,} images have no value in column {config.hold_out!r} (split.hold_out), and are not held out")
    if not config.hold_out_values:
        known = [(value, code == TEST) for value, code in zip(values, codes.tolist(), strict=True) if value is not None]
        first = min((value for value, is_tested in known if is_tested), default=None)
        if later := 0 if first is None else sum(value >= first for value, is_tested in known if not is_tested):
            found.append(
                f"{later:,} images that are not tested on are later, by column {config.hold_out!r}, than the first test image, as "
                f"earlier or given splits are kept: for a test set of the latest alone {_NEW}"
            )
    return found


def _shown(values: list[Any], chosen: Flags) -> str:
    """The values of the chosen rows, for a message."""
    held = sorted({value for value, is_held in zip(values, chosen.tolist(), strict=True) if is_held and value is not None})
    if len(held) > SHOWN:
        return f"{_text(held[0])} to {_text(held[-1])}"
    return " or ".join(map(_text, held)) or "no value"


def _counted(counts: Counter[str]) -> str:
    more = f" and {len(counts) - SHOWN} more" if len(counts) > SHOWN else ""
    return ", ".join(f"{value!r} ({number:,})" for value, number in counts.most_common(SHOWN)) + more
