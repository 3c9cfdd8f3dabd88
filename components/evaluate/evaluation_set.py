"""The images that a model is evaluated on: the test split, or a frozen evaluation set of the user's own."""

from dataclasses import replace
from pathlib import Path

import pyarrow as pa

from components.evaluate.config import EvaluateConfig
from darkroom import manifest as manifests
from darkroom.frozen_evaluation import fitted
from darkroom.groups import grouping_columns, independent_units
from darkroom.manifest import Manifest
from darkroom.system.errors import InputError


def held_out_rows(splits: Manifest) -> Manifest:
    """The rows of the test split, with a column `unit`: images of one number are one independent observation."""
    return _with_units(splits).where("test")


def evaluation_rows(cleaned: Path | None, splits: Manifest, config: EvaluateConfig) -> Manifest:
    """The rows of the frozen evaluation set, with the task and the order of classes of the splits, and a column `unit`.

    Args:
        cleaned: What `clean` kept of the set, or none.
        splits: What the model was trained on.
        config: `data`, which names the set.

    Raises:
        InputError: There is no such manifest, it has no row, or labels that do not fit the splits.
    """
    rows = manifests.read(cleaned) if cleaned else None
    if rows is None or not len(rows):
        raise InputError(f"evaluate.data is {config.data}, but its images are missing: pass what ingest and clean made of it, too")
    return _with_units(fitted(rows, splits.classes, splits.task, str(config.data)))


def num_trained_on(rows: Manifest, splits: Manifest) -> int:
    """How many of the rows are files that training or the choice of the epoch has used, so that they say nothing about new images."""
    known = set(splits.where("train").column("image_id")) | set(splits.where("validation").column("image_id"))
    return len(known & set(rows.column("image_id")))


def _with_units(rows: Manifest) -> Manifest:
    """Adds which images count as one: those of a user's group or of a cluster of duplicates, directly or through others."""
    return replace(rows, table=rows.table.append_column("unit", pa.array(independent_units(grouping_columns(rows)))))
