"""What a machine's verdict proposes for an image, in columns of the manifest; it is applied to training images alone."""

from collections.abc import Collection, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from darkroom.manifest import Manifest, put_column
from darkroom.units import Integers

RELABEL, DROP = "relabel", "drop"
_ACTION = "proposed_action"


def with_columns(table: pa.Table) -> pa.Table:
    """The table with the columns of proposals, empty where it has none yet: the action, and what the label or labels should be."""
    wanted = [name for name in (_ACTION, _column(table)) if name not in table.column_names]
    for name in wanted:
        table = put_column(table, name, [None] * len(table))
    return table


def propose(table: pa.Table, rows: Integers, action: str, labels: Sequence[Sequence[str]]) -> pa.Table:
    """The table with proposals for some rows; what is already proposed to be dropped stays so.

    Args:
        table: See `with_columns`.
        rows: `(n,)`.
        action: `relabel` or `drop`.
        labels: The labels that each should have, which count for `relabel`.
    """
    actions, column = table[_ACTION].to_pylist(), _column(table)
    wanted = table[column].to_pylist()
    for row, names in zip(rows.tolist(), labels, strict=True):
        if actions[row] != DROP:
            actions[row] = action
            wanted[row] = None if action == DROP else list(names) if column == "proposed_labels" else names[0]
    return put_column(put_column(table, _ACTION, actions), column, wanted)


def proposed(table: pa.Table, action: str) -> npt.NDArray[np.bool_]:
    """Which rows an action is proposed for, `(N,) bool`; none where nothing was proposed."""
    if _ACTION not in table.column_names:
        return np.zeros(len(table), bool)
    return np.array([one == action for one in table[_ACTION].to_pylist()], bool)


def proposed_labels(rows: Manifest) -> dict[str, list[str]]:
    """The labels that are proposed, by path: lists, which hold one label unless the task is multi-label."""
    if _ACTION not in rows.table.column_names:
        return {}
    columns = (rows.column(name) for name in ("path", _ACTION, _column(rows.table)))
    chosen = [(path, wanted) for path, action, wanted in zip(*columns, strict=True) if action == RELABEL]
    return {path: [wanted] if isinstance(wanted, str) else wanted for path, wanted in chosen}


def relabelled(table: pa.Table, chosen: npt.NDArray[np.bool_]) -> pa.Table:
    """The table with the proposed labels of the chosen rows in place of theirs."""
    name = "labels" if "labels" in table.column_names else "label"
    if not chosen.any():
        return table
    pairs = zip(table[name].to_pylist(), table[f"proposed_{name}"].to_pylist(), chosen.tolist(), strict=True)
    return put_column(table, name, [new if taken else old for old, new, taken in pairs])


def withdrawn(table: pa.Table, settled: Collection[str]) -> pa.Table:
    """The table in which nothing is proposed for images that a person has settled."""
    for name in {_ACTION, _column(table)} & set(table.column_names):
        pairs = zip(table["image_id"].to_pylist(), table[name].to_pylist(), strict=True)
        table = put_column(table, name, [None if image in settled else value for image, value in pairs])
    return table


def _column(table: pa.Table) -> str:
    return "proposed_labels" if "labels" in table.column_names else "proposed_label"
