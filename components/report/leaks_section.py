"""What the report shows of leaks: their share, what they are worth, and the pairs as pictures."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from components.report.pictures import embedded
from darkroom.evaluation import LEAKS, read_headline, read_leak_pairs

MEASURES = ("accuracy", "f1_macro", "balanced_accuracy")
_NEAR = {"near_duplicate": "near-duplicate", "same_thing": "same thing", "suspicious": "suspiciously near"}


def leaks_section(evaluation: Path) -> dict[str, Any]:
    """Figures and pairs, as the template reads them; without a test for leaks, `leaks` is nothing.

    Args:
        evaluation: Of the model that is registered, see `darkroom.evaluation`.
    """
    figures, pairs = read_leak_pairs(evaluation)
    if not figures:
        return {"leaks": None}
    headline, floor = figures.get("with", read_headline(evaluation)), figures["floor"]
    rows = [
        {
            "name": name,
            "all": headline[name],
            "without": figures["without"].get(name),
            "as_split": floor.get("as_split", {}).get(name),
            "by_clusters": floor.get("by_clusters", {}).get(name),
        }
        for name in MEASURES
        if name in headline
    ]
    return {"leaks": {**figures, "rows": rows, "pairs": [_pair(evaluation / LEAKS, pair) for pair in pairs]}}


def _pair(folder: Path, pair: Mapping[str, Any]) -> dict[str, Any]:
    pictures = [embedded((folder / pair[name]).read_bytes()) for name in ("file", "other_file")]
    return {**pair, "pictures": pictures, "how": _NEAR.get(pair["check"], pair["check"])}
