"""The images that a model is judged on: the test split, or a frozen evaluation set of the user's own."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from components.clean.clean import clean
from components.clean.config import CleanConfig
from components.evaluate.config import EvaluateConfig
from components.ingest.config import IngestConfig
from components.ingest.ingest import ingest
from darkroom import manifest as manifests
from darkroom.groups import ties, units
from darkroom.images import Images
from darkroom.manifest import Manifest
from darkroom.system.config import parse
from darkroom.system.errors import InputError


@contextmanager
def scored(images: Path, splits: Manifest, config: EvaluateConfig) -> Iterator[tuple[Manifest, Images]]:
    """Opens what is to be scored.

    Args:
        images: Packed images of the splits.
        splits: Rows with a `split`; those in `test` are taken unless `config.data` names another set.
        config: `data` and `data_version`.

    Yields:
        The rows, with the classes and the task of the splits and a column `unit` (images of one number count as one), and
        their files.

    Raises:
        InputError: The evaluation set can't be read, holds no usable image, or has labels that the splits don't know.
    """
    if not config.data:
        yield _with_units(splits).where("test"), Images(images)
        return
    with tempfile.TemporaryDirectory() as place:
        packed = Path(place) / "images"
        yield _read(packed, Path(place), splits, config), Images(packed)


def num_trained_on(rows: Manifest, splits: Manifest) -> int:
    """How many of the rows are files that were also trained on or chosen by; those say nothing about new images."""
    known = set(splits.where("train").column("image_id")) | set(splits.where("validation").column("image_id"))
    return len(known & set(rows.column("image_id")))


def _read(packed: Path, place: Path, splits: Manifest, config: EvaluateConfig) -> Manifest:
    """Reads the set as a data source is read, its task and the order of its classes as in the splits."""
    made, kept, issues = (place / name for name in ("manifest.parquet", "cleaned.parquet", "issues.parquet"))
    ingest(Path(config.data), packed, made, config=parse(IngestConfig, "ingest", {"task": splits.task}), data_version=config.data_version)
    clean(packed, made, kept, issues, config=parse(CleanConfig, "clean", {}))
    rows = manifests.read(kept)
    occurring = pc.unique(rows.table["labels"].combine_chunks().flatten() if splits.task == "multilabel" else rows.table["label"])
    unknown = sorted(set(occurring.to_pylist()) - set(splits.classes))
    if unknown:
        raise InputError(
            f"evaluate.data is {config.data}, where images are labelled {', '.join(map(repr, unknown[:5]))}: the model knows "
            f"{', '.join(map(repr, splits.classes[:20]))} only; name the labels alike, or leave those images out"
        )
    return _with_units(replace(rows, classes=splits.classes, task=splits.task))


def _with_units(rows: Manifest) -> Manifest:
    """Adds which images count as one: those of a user's group or of a cluster of duplicates, directly or through others."""
    return replace(rows, table=rows.table.append_column("unit", pa.array(units(ties(rows, None)))))
