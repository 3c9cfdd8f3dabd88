"""What the report shows of the data: images of each class and split, and what cleaning found."""

from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from darkroom import issues
from darkroom.manifest import Manifest

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


def _by_badness(row: dict[str, Any]) -> float:
    """The worst first; of images that are too small the score is their side."""
    return float(row["score"] if row["check"] == "small" else -row["score"])


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
        {"check": check, "action": action, "count": len(found), "examples": sorted(found, key=_by_badness)[:num_examples]}
        for (check, action, _), found in sorted(kinds.items())
    ]
    return sorted(rows, key=lambda row: (-row["count"], row["check"]))
