"""The images that a network learns from without labels: never one that models are tested or compared on."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pyarrow as pa

from darkroom import manifest
from darkroom.manifest import Manifest


def training_images(examples: Manifest) -> Manifest:
    """The training split's own images, without the copies that `augment` made, each once."""
    training = examples.where("train")
    return _each_once(_keep(training, [not is_copy for is_copy in training.is_copy]))


def unlabelled_images(source: Path | None) -> Manifest | None:
    """The images of a source without labels, each once and without the files that hold no image; nothing where there is no source."""
    table = manifest.read(source) if source else None
    if table is None or not len(table):
        return None
    return _each_once(
        _keep(
            table,
            [width is not None and name is not None for width, name in zip(table.column("width"), table.column("image_id"), strict=True)],
        )
    )


def held_out(examples: Manifest, evaluation: Path | None) -> set[str]:
    """The images that nothing may be learnt from: of all splits but the training, and of the user's own evaluation set.

    Args:
        examples: All rows, with their `split`.
        evaluation: The evaluation set's manifest, or none.
    """
    others = {name for name, split in zip(examples.column("image_id"), examples.column("split"), strict=True) if split != "train"}
    return others | set(manifest.read(evaluation).column("image_id") if evaluation else ())


def without(table: Manifest, names: set[str]) -> Manifest:
    """The rows of other images than these."""
    return _keep(table, [name not in names for name in table.column("image_id")])


def _each_once(table: Manifest) -> Manifest:
    names = table.column("image_id")
    first = dict(zip(reversed(names), reversed(range(len(names))), strict=True))
    return _keep(table, [first[name] == row for row, name in enumerate(names)])


def _keep(table: Manifest, rows: Iterable[bool]) -> Manifest:
    return replace(table, table=table.table.filter(pa.array(rows, pa.bool_())))
