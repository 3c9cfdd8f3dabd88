"""What a run uploads to MLflow: for people to look at, and for later runs to continue from."""

import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pandas as pd

from components.register.candidate import Candidate
from darkroom.artifacts import Artifacts
from darkroom.evaluation import FIGURES, METRICS, PREDICTIONS
from darkroom.notes import ordered
from darkroom.outcome import HEADLINE, Outcome
from darkroom.registry.fetch import EVALUATION_KEPT, ISSUES_KEPT, OUTCOME_KEPT, PREVIOUS_KEPT, SPLITS_KEPT
from darkroom.system.processes import kubeflow_tags
from darkroom.tracking.log import log_curves, log_files, log_measures, log_picture, set_run_tags
from darkroom.tracking.tags import DECISION, FORGOTTEN, MODEL_NAME, MODEL_VERSION, NOTE, REASON, VARIANT

MAX_NOTES, MAX_CHARACTERS = 20, 200  # on MLflow's page of a run, and of each


def keep_tables(run_id: str, candidate: Candidate) -> None:
    """Keeps what a later run continues from, before there is a version that points to it."""
    other = f"{EVALUATION_KEPT}_{candidate.other_variant}"
    files = {SPLITS_KEPT: candidate.splits, ISSUES_KEPT: candidate.issues}
    for folder, source in ((EVALUATION_KEPT, candidate.evaluation), (other, candidate.other_evaluation)):
        files |= {f"{folder}/{name}": source / name for name in (PREDICTIONS, METRICS)}
    if candidate.previous:
        files[PREVIOUS_KEPT] = candidate.previous
    with _laid_out(files) as tree:
        log_files(run_id, tree)


def keep_bundle(run_id: str, candidate: Candidate) -> None:
    """Keeps the model that is not registered."""
    with _laid_out({f"bundles/{candidate.other_variant}": candidate.other_bundle}) as tree:
        log_files(run_id, tree)


def keep_results(run_id: str, artifacts: Artifacts, outcome: Outcome, written: Path) -> None:
    """Keeps what a person looks for: measures, curves, outcome and pictures.

    Args:
        run_id: The run.
        artifacts: What the steps before have left.
        outcome: What the run ended with.
        written: The outcome's file.
    """
    log_measures(run_id, _headline(outcome))
    log_curves(run_id, _curves(artifacts.history))
    folders = (artifacts.evaluation_of(outcome.variant) / FIGURES, artifacts.learning_curves)
    files = {OUTCOME_KEPT: written, "history.csv": artifacts.history, "images/contact_sheet.png": artifacts.contact_sheet}
    files |= {f"figures/{path.name}": path for folder in folders for path in sorted(folder.glob("*.png"))}
    with _laid_out(files) as tree:
        log_files(run_id, tree)
    log_picture(run_id, artifacts.contact_sheet, "contact_sheet")
    tags = {MODEL_NAME: outcome.name, MODEL_VERSION: str(outcome.version), VARIANT: outcome.variant}
    verdict = {DECISION: outcome.verdict.decision, REASON: outcome.verdict.reason}
    if outcome.forgotten:
        tags |= {FORGOTTEN: "; ".join(map(str, outcome.forgotten))}
    set_run_tags(run_id, {**tags, **verdict, **kubeflow_tags(), NOTE: markdown(outcome)})


def markdown(outcome: Outcome) -> str:
    """The run in Markdown, for MLflow's page and Kubeflow's."""
    rows = [
        f"| {name} | {outcome.metrics[name]:.4f} | {_number(outcome.pruned_metrics, name)} | {_number(outcome.floor_metrics, name)} |"
        for name in HEADLINE
        if name in outcome.metrics
    ]
    return "\n".join(
        [
            f"**{outcome.name} version {outcome.version}** ({outcome.variant}" + (f", alias `{outcome.alias}`)" if outcome.alias else ")"),
            "",
            f"{outcome.verdict.decision.capitalize()}: {outcome.verdict.reason}.",
            "",
            "| test images | full | pruned | floor |",
            "|---|---|---|---|",
            *rows,
            f"| latency | 1 | {outcome.latency_ratio:.2f} | |",
            f"| size | 1 | {outcome.size_ratio:.2f} | |",
            "",
            f"{outcome.dropped} delivered files were left out. `report.html` among the artifacts of run {outcome.run_id[:8]} shows it all.",
            *_notes(outcome),
        ]
    )


def _notes(outcome: Outcome) -> list[str]:
    """The first notes, warnings first: MLflow takes a few thousand characters."""
    shown = ordered(outcome.notes)[:MAX_NOTES]
    left = [f"- and {len(outcome.notes) - MAX_NOTES} more"] if len(outcome.notes) > MAX_NOTES else []
    return ["", *(f"- {note.step}: {_escape(str(note)[:MAX_CHARACTERS])}" for note in shown), *left] if shown else []


def _escape(text: str) -> str:
    """Text, such as a name of a class, of which Markdown makes nothing."""
    return re.sub(r"([\\`*_\[\]<>|#])", r"\\\1", text)


def _number(values: Mapping[str, float], name: str) -> str:
    return f"{values[name]:.4f}" if name in values else ""


def _headline(outcome: Outcome) -> dict[str, float]:
    pruned = {f"pruned_{name}": value for name, value in outcome.pruned_metrics.items()}
    ratios = {"latency_ratio": outcome.latency_ratio, "size_ratio": outcome.size_ratio}
    floor = {f"floor_{name}": outcome.floor_metrics[name] for name in HEADLINE if name in outcome.floor_metrics}  # all: in its evaluation
    if beside := outcome.floor_difference:
        floor |= {
            "floor_gain": beside.gain,
            "floor_gain_low": beside.low,
            "floor_gain_high": beside.high,
            "floor_gain_p_value": beside.p_value,
        }
    leaks = {f"leaks_{name}": outcome.leaks[name] for name in ("share", "low", "high") if name in outcome.leaks}
    return {**outcome.metrics, **pruned, **floor, **ratios, **leaks, "dropped": float(outcome.dropped)}


def _curves(history: Path) -> list[tuple[int, Mapping[str, float]]]:
    table = pd.read_csv(history)
    rows = table.drop(columns="epoch").to_dict("records")
    epochs = [int(epoch) for epoch in table["epoch"]]
    return [(epoch, {str(name): value for name, value in row.items() if pd.notna(value)}) for epoch, row in zip(epochs, rows, strict=True)]


@contextmanager
def _laid_out(files: Mapping[str, Path]) -> Iterator[Path]:
    """Files and folders under the names that they have in the run: one upload, whatever their own names are."""
    with tempfile.TemporaryDirectory() as place:
        for name, source in files.items():
            target = Path(place) / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copytree(source, target) if source.is_dir() else shutil.copyfile(source, target)
        yield Path(place)
