"""What the report shows of a training: its length, which epoch was kept and why, over- and underfitting, and the learning curves."""

from typing import Any

from components.report.pictures import figures, sheet
from darkroom.artifacts import CORRECTIONS, Artifacts
from darkroom.model import ModelCard


def training_section(artifacts: Artifacts, card: ModelCard, max_sheet_px: int) -> dict[str, Any]:
    """The learning curves and what is said of them, as the template reads them.

    Args:
        artifacts: What the steps before have left.
        card: Of the full model.
        max_sheet_px: Width of the sheet of corrections at most, in pixels.
    """
    header, *rows = artifacts.history.read_text(encoding="utf-8").splitlines()
    settings, corrections = card.provenance.get("hyperparameters", {}), artifacts.learning_curves / CORRECTIONS
    return {
        "num_epochs": len(rows),
        "kept_epoch": card.provenance.get("best_epoch"),
        "monitor": settings.get("monitor", "") if "validation_loss" in header.split(",") else "",
        "cross_validation": _cross_validation(card),
        "fitting": {"verdict": "", **card.provenance.get("fitting", {})},
        "learning_curves": figures(artifacts.learning_curves, besides=CORRECTIONS),
        "correction_sheet": sheet(corrections, max_sheet_px) if corrections.exists() else "",
    }


def _cross_validation(card: ModelCard) -> dict[str, Any]:
    """A row a measure, with its value in each fold; empty without folds."""
    found = card.provenance.get("cross_validation", {"folds": (), "estimates": {}})
    folds = found["folds"]
    rows = [
        {"name": name, **values, "folds": [fold[f"validation_{name}"] for fold in folds]} for name, values in found["estimates"].items()
    ]
    return {"rows": rows, "num_folds": len(folds)}
