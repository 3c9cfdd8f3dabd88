"""What the report shows of the data: images of each class and split, and what cleaning found."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from components.report.pictures import embedded
from darkroom import issues
from darkroom.issues import Illustration
from darkroom.manifest import Manifest
from darkroom.short_names import shortened

NAME_LENGTH = 44  # characters of a path beside a small picture
SPLITS = ("train", "validation", "test", "excluded")


def data_section(manifest: Manifest) -> dict[str, Any]:
    """Counts of images, as the template reads them.

    Args:
        manifest: Its `split` column is one of `SPLITS`.
    """
    splits = manifest.column("split")
    pairs = Counter((label, split) for row, split in zip(manifest.label_lists(), splits, strict=True) for label in row)
    counts = {name: [pairs[name, split] for split in SPLITS] for name in manifest.classes}
    totals = Counter(splits)
    return {
        "task": manifest.task,
        "num_images": len(manifest),
        "splits": [(split, totals[split]) for split in SPLITS if split != "excluded" or totals[split]],
        "classes": [{"name": name, "counts": row} for name, row in counts.items()],
        "largest": max(1, *(sum(row) for row in counts.values())),
        "size": " × ".join(f"{np.median(manifest.column(side)):.0f}" for side in ("width", "height")),
    }


def findings(path: Path, num_examples: int) -> list[dict[str, Any]]:
    """A row for each check and what was done about it, and each format that is not decoded, the most frequent first, with examples.

    Args:
        path: The issues, see `darkroom.issues`.
        num_examples: Files that are named, at most.
    """
    kinds: dict[tuple[str, str, str], list[dict[str, Any]]] = defaultdict(list)
    for row in issues.rows(path):
        kinds[row["check"], row["action"], row["detail"] if row["check"] == "undecoded" else ""].append(row)
    rows = [
        {
            "check": check,
            "action": action,
            "count": len(found),
            "examples": sorted(found, key=lambda row: row["score"], reverse=True)[:num_examples],
        }
        for (check, action, _), found in sorted(kinds.items())
    ]
    return sorted(rows, key=lambda row: (-row["count"], row["check"]))


def pictured_findings(path: Path) -> list[dict[str, Any]]:
    """The findings that have pictures, by check: how many there are of it, and the worst of them with their pictures.

    Args:
        path: The issues, see `darkroom.issues`.
    """
    counts = Counter(row["check"] for row in issues.rows(path))
    groups: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row, shown in issues.illustrated(path):
        groups[row["check"]].append(_pictured(row, shown))
    return [{"check": check, "count": counts[check], "findings": found} for check, found in groups.items()]


def _pictured(row: Mapping[str, Any], shown: Illustration) -> dict[str, Any]:
    """A finding with its pictures; of a doubted label, the label and what it should be in place of a sentence."""
    other, detail = row["other"], row["detail"] or ""
    what = detail.replace(other, shortened(other, NAME_LENGTH)) if other else detail
    labels = () if shown.expected_labels is None else (shown.given_labels, shown.expected_labels)
    pictures = [embedded(data) for data in (shown.picture, shown.other_picture) if data]
    return {**row, "pictures": pictures, "change": [", ".join(names) or "no label" for names in labels], "what": what}
