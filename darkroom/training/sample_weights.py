"""How much the loss of each training image counts, by a column of numbers of the user's own table."""

import math
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from darkroom.manifest import WEIGHTLESS, Manifest, put_column
from darkroom.system.errors import InputError

SETTING = "train.weight_column"


def image_weights(training: Manifest, column: str) -> npt.NDArray[np.float32] | None:
    """The weights of training images; those of copies that `augment` made are their originals'.

    Args:
        training: The rows of the training split.
        column: Of the user's own table; empty: none.

    Returns:
        `(N,) float32` whose mean is 1; none without a column.

    Raises:
        InputError: There is no such column of numbers, or a value of it is missing, negative or not finite, or all are 0.
    """
    return _normalised(_values(training, column)) if column else None


def counted(table: Manifest, column: str) -> Manifest:
    """The same rows, of which training images of weight 0 are in a split of their own, so that a training is the same as without them.

    Args:
        table: All rows, with their `split`.
        column: See `image_weights`.

    Raises:
        InputError: See `image_weights`.
    """
    if not column:
        return table
    splits = np.array(table.column("split"), dtype=object)
    rows = np.flatnonzero(splits == "train")
    splits[rows[_values(table.where("train"), column) == 0]] = WEIGHTLESS
    return replace(table, table=put_column(table.table, "split", splits.tolist()))


def told(training: Manifest, column: str) -> list[str]:
    """What a person should know of the weights; nothing without a column.

    Args:
        training: The rows of the training split, those of weight 0 included.
        column: See `image_weights`.
    """
    if not column or not len(training):
        return []
    values = _values(training, column)
    counting = _normalised(values[values > 0])
    range_of = f"from {counting.min():.3g} to {counting.max():.3g} times the mean"
    left_out = f"; {int((values == 0).sum()):,} of weight 0 are left out" if (values == 0).any() else ""
    said = (
        f"the loss of each training image counts by column {column!r} ({SETTING}), {range_of}, that of validation and test images does not"
    )
    return [said + left_out]


def _normalised(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    if not len(values):
        return values.astype(np.float32)
    shares = values / values.max()  # the sum of very large values is not finite
    found: npt.NDArray[np.float32] = (shares / shares.mean()).astype(np.float32)
    return found


def _values(training: Manifest, column: str) -> npt.NDArray[np.float64]:
    """The column's numbers, `(N,)`, as they are."""
    cells = training.user_column(column, SETTING)
    if not (pa.types.is_integer(cells.type) or pa.types.is_floating(cells.type) or pa.types.is_decimal(cells.type)):
        raise InputError(f"{SETTING} is {column!r}, and that column holds {cells.type} values, no numbers", "name a column of numbers")
    values: npt.NDArray[np.float64] = cells.cast(pa.float64(), safe=False).to_numpy().astype(np.float64)
    bad, paths = np.flatnonzero(~(np.isfinite(values) & (values >= 0))), training.table["path"]
    if len(bad):
        value, row = values[bad[0]], int(bad[0])
        found = "no value" if math.isnan(value) else f"{value:g}"
        wanted = "give every training image a finite number of 0 or more"
        raise InputError(f"{SETTING} is {column!r}, and {paths[row].as_py()} has {found} in that column", wanted)
    if len(values) and not values.any():
        all_zero = f"all {len(values):,} training images, such as {paths[0].as_py()}, have 0 in that column"
        raise InputError(f"{SETTING} is {column!r}, and {all_zero}", "give those that count a larger number")
    return values
