"""What the report shows of an evaluation: its figures, each class, and the worst mistakes."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from components.report.pictures import embed, figures
from darkroom.evaluation import FIGURES, MISTAKES, read_metrics, read_mistakes


def evaluation_section(evaluation: Path) -> dict[str, Any]:
    """Figures, measures of each class and mistakes, as the template reads them.

    Args:
        evaluation: Of the model that is registered, see `darkroom.evaluation`.
    """
    each = read_metrics(evaluation).get("classes", {})
    return {
        "figures": figures(evaluation / FIGURES),
        "class_measures": sorted(({"name": name, **values} for name, values in each.items()), key=lambda row: row.get("f1", 0.0)),
        "mistakes": [_mistake(evaluation / MISTAKES, mistake) for mistake in read_mistakes(evaluation)],
    }


def _mistake(folder: Path, mistake: Mapping[str, Any]) -> dict[str, Any]:
    """A wrong answer; of several labels only those that are wrong or missing."""
    file, truth, predicted = folder / mistake["file"], mistake["truth"], mistake["predicted"]
    texts = {"predicted": predicted, "correction": f"is {truth}"}
    if isinstance(truth, list):
        wrong, missing = (", ".join(sorted(set(one) - set(other))) for one, other in ((predicted, truth), (truth, predicted)))
        texts = {"predicted": wrong and f"has no {wrong}", "correction": missing and f"missed {missing}"}
    source = embed(file.read_bytes(), file.suffix[1:])
    return {**texts, "path": mistake["path"], "probability": mistake["probability"], "source": source, "tiny": file.suffix == ".png"}
