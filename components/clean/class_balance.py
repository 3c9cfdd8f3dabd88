"""What is wrong with the table rather than with an image: values that are missing, classes with too few images, imbalance."""

from collections import Counter
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from components.clean.config import CleanConfig
from darkroom.manifest import Manifest

TABLE_CHECKS = ("missing_values", "few_images", "imbalance")


class TableFinding(NamedTuple):
    """A finding about a column or a class.

    Attributes:
        check: One of `TABLE_CHECKS`.
        score: Share of the values that are missing; images that a class should have for each that it has; times that it is outnumbered.
        detail: One sentence.
    """

    check: str
    score: float
    detail: str


def find_table_issues(kept: Manifest, labels: list[frozenset[str]], config: CleanConfig) -> list[TableFinding]:
    """Looks at the columns of the user's own table, and at the sizes of the classes.

    Args:
        kept: Its `cluster` says which images show the same: these count once.
        labels: What each image shows.
        config: Which checks are made, and their limits.
    """
    found = list[TableFinding]()
    if config.missing_values != "off":
        found += _missing_values(kept)
    counts = dict.fromkeys(kept.classes, 0)
    pairs = {(label, cluster) for row, cluster in zip(labels, kept.column("cluster"), strict=True) for label in row}
    counts |= Counter(label for label, _ in pairs)
    if config.few_images != "off":
        found += [
            TableFinding("few_images", config.min_class_images / max(number, 1), _few(name, number, config.min_class_images))
            for name, number in counts.items()
            if number < config.min_class_images
        ]
    if config.imbalance != "off":
        found += _imbalance(counts, len(set(kept.column("cluster"))), multilabel=kept.task == "multilabel", limit=config.max_imbalance)
    return found


def _few(name: str, number: int, least: int) -> str:
    return f"class {name!r} has {number:,} independent images, fewer than clean.min_class_images {least:,}: add images of it"


def _missing_values(kept: Manifest) -> list[TableFinding]:
    """A finding for each column in which some values are missing, the group among them, and not all."""
    own = kept.user_columns
    columns: dict[str, Any] = {"group": kept.table["group"], **dict(zip(own.column_names, own.columns, strict=True))}
    found = []
    for name, column in columns.items():
        number = _num_missing(column)
        if 0 < number < len(column):
            share = number / len(column)
            detail = f"column {name!r} has no value for {number:,} of {len(column):,} images"
            found.append(TableFinding("missing_values", share, detail))
    return found


def _num_missing(column: pa.ChunkedArray) -> int:
    """Nulls, NaN and blank texts."""
    number = int(pc.sum(pc.is_null(column, nan_is_null=True)).as_py() or 0)
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        number += int(pc.sum(pc.equal(pc.utf8_trim_whitespace(column), "")).as_py() or 0)
    return number


def _imbalance(counts: dict[str, int], num_images: int, *, multilabel: bool, limit: float) -> list[TableFinding]:
    """A finding for each class that is outnumbered: by the largest class, or, of several labels, by the other answer."""
    found = []
    largest = max(counts, key=lambda name: counts[name], default="")
    for name, number in counts.items():
        rarer, other = (min(number, num_images - number), max(number, num_images - number)) if multilabel else (number, counts[largest])
        if number and other > limit * rarer:  # of a class without images there is another finding
            what = f"label {name!r} is that of {number:,} of {num_images:,} independent images"
            if not multilabel:
                what = f"class {name!r} has {number:,} independent images, and {largest!r} {other:,}"
            detail = f"{what}, {other / max(rarer, 1):.1f} times, above clean.max_imbalance {limit:g}"
            found.append(TableFinding("imbalance", other / max(rarer, 1), detail))
    return found
