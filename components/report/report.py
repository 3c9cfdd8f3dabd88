"""The report: one HTML file, complete in itself, that shows a run from its data to the decision about its model."""

import base64
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from PIL import Image

from components.report.charts import line_chart
from components.report.decision import comparison_of
from darkroom import issues as findings
from darkroom import manifest as manifests
from darkroom.artifacts import Sources
from darkroom.evaluation import FIGURES, MISTAKES, read_metrics, read_mistakes
from darkroom.manifest import Manifest
from darkroom.model import GRAPH, read_card
from darkroom.outcome import HEADLINE, Outcome
from darkroom.system.files import whole

SPLITS = ("train", "validation", "test", "excluded")
NAMES = {
    "accuracy": "Accuracy",
    "balanced_accuracy": "Balanced accuracy",
    "f1_macro": "F1, mean of classes",
    "f1_micro": "F1, all decisions",
    "f1_weighted": "F1, weighted by class",
    "roc_auc": "ROC AUC",
    "average_precision": "Average precision",
    "expected_calibration_error": "Calibration error",
    "hamming_loss": "Hamming loss",
    "subset_accuracy": "All labels right",
    "log_loss": "Log loss",
    "num_images": "Test images",
}
_CARDS = ("accuracy", "f1_macro", "balanced_accuracy", "roc_auc")
_MAX_SHEET_PX = 1600  # width of the contact sheet in the page
_MAX_PNG_BYTES = 400_000
_TEMPLATE = Path(__file__).with_name("report.html.jinja")


def write_report(path: Path, sources: Sources, outcome: Outcome, params: Mapping[str, Any], origin: Mapping[str, str]) -> None:
    """Writes the report; equal inputs make equal bytes.

    Args:
        path: The HTML file.
        sources: What the steps have left.
        outcome: What the run ended with.
        params: Settings, a section a step.
        origin: Run, data version and what else tells where the model comes from, by name.
    """
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATE.parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    page = environment.get_template(_TEMPLATE.name).render(
        outcome=outcome,
        card=read_card(sources.model),
        costs=_costs(sources, outcome),
        compared=comparison_of(outcome.verdict, NAMES),
        pruning=_plain(read_card(sources.pruned_model).pruning or {}),
        headline=_headline(sources, outcome),
        table=_table(outcome),
        params=params,
        origin={**origin, **_plain(read_card(sources.model).provenance), **origin},  # in its order, and with its values
        **_data(manifests.read(sources.splits)),
        findings=_findings(findings.read(sources.issues)),
        contact_sheet=_sheet(sources.contact_sheet),
        **_curves(sources.history),
        judged_on=f"the images of {own}" if (own := params.get("evaluate", {}).get("data")) else "test images",
        num_trained_on=int(outcome.metrics.get("num_trained_on", 0)),
        **_judgement(sources.judged(outcome.variant)),
    )
    with whole(path) as draft:
        draft.write_text(page, encoding="utf-8")


def _headline(sources: Sources, outcome: Outcome) -> list[dict[str, Any]]:
    """Cards: the registered model's value with its interval, and the other model's."""
    intervals = read_metrics(sources.judged(outcome.variant)).get("intervals", {})
    mine, other = outcome.metrics, outcome.pruned_metrics
    if outcome.variant == "pruned":
        mine, other = other, mine
    return [
        {"name": NAMES[name], "value": mine[name], "other": other.get(name), "interval": intervals.get(name)}
        for name in _CARDS
        if name in mine
    ]


def _table(outcome: Outcome) -> list[dict[str, Any]]:
    """All headline measures, the best known first."""
    order = [*(name for name in HEADLINE if name in outcome.metrics), *sorted(set(outcome.metrics) - set(HEADLINE))]
    return [
        {
            "name": NAMES.get(name, name.replace("_", " ").capitalize()),
            "full": outcome.metrics[name],
            "pruned": outcome.pruned_metrics.get(name),
        }
        for name in order
    ]


def _costs(sources: Sources, outcome: Outcome) -> list[dict[str, Any]]:
    """Latency and size of both models, with their ratio."""
    facts = read_card(sources.pruned_model).pruning or {}
    times = [f"{facts[name]:.3g} ms" if name in facts else "" for name in ("latency_ms_before", "latency_ms_after")]
    sizes = [_bytes((folder / GRAPH).stat().st_size) for folder in (sources.model, sources.pruned_model)]
    return [
        {"name": "Latency", "ratio": outcome.latency_ratio, "before": times[0], "after": times[1]},
        {"name": "Size", "ratio": outcome.size_ratio, "before": sizes[0], "after": sizes[1]},
    ]


def _bytes(number: int) -> str:
    return f"{number / 1e6:.1f} MB" if number >= 1e6 else f"{number / 1e3:.1f} kB"


def _data(manifest: Manifest) -> dict[str, Any]:
    frame = manifest.frame()
    column = "labels" if manifest.task == "multilabel" else "label"
    rows = frame[[column, "split"]].explode(column, ignore_index=True)
    counts = pd.crosstab(rows[column], rows["split"]).reindex(index=list(manifest.classes), columns=list(SPLITS), fill_value=0)
    totals = frame["split"].value_counts()
    return {
        "task": manifest.task,
        "num_images": len(frame),
        "splits": [(split, int(totals.get(split, 0))) for split in SPLITS if split != "excluded" or totals.get(split, 0)],
        "classes": [{"name": name, "counts": row} for name, row in zip(manifest.classes, counts.to_numpy().tolist(), strict=True)],
        "largest": max(1, int(counts.sum(axis=1).max())),
        "size": f"{frame['width'].median():.0f} × {frame['height'].median():.0f}",
    }


def _findings(table: pd.DataFrame) -> list[dict[str, Any]]:
    """A row a check and what was done, most frequent first, with examples."""
    rows = [
        {"check": str(check), "action": str(action), "count": len(group), "examples": group[["path", "detail"]].head(3).to_dict("records")}
        for (check, action), group in table.groupby(["check", "action"])
    ]
    return sorted(rows, key=lambda row: (-int(str(row["count"])), str(row["check"])))


def _curves(history: Path) -> dict[str, Any]:
    table = pd.read_csv(history)
    shown = {"train_loss": "training", "validation_loss": "validation"}
    measures = {f"validation_{name}": NAMES[name] for name in HEADLINE[:3]}
    charts = [line_chart(_points(table, names), "epoch") for names in (shown, measures)]
    return {"num_epochs": len(table), "loss_chart": charts[0], "measure_chart": charts[1]}


def _points(table: pd.DataFrame, names: Mapping[str, str]) -> dict[str, list[tuple[float, float]]]:
    present = {column: name for column, name in names.items() if column in table and table[column].notna().any()}
    return {
        name: [(float(x), float(y)) for x, y in zip(table["epoch"], table[column], strict=True) if pd.notna(y)]
        for column, name in present.items()
    }


def _judgement(evaluation: Path) -> dict[str, Any]:
    each = read_metrics(evaluation).get("classes", {})
    return {
        "figures": [
            _figure(path)
            for path in sorted((evaluation / FIGURES).glob("*.png"), key=lambda path: (path.stem.find("confusion") < 0, path.name))
        ],
        "class_measures": sorted(({"name": name, **values} for name, values in each.items()), key=lambda row: row.get("f1", 0.0)),
        "mistakes": [_mistake(evaluation / MISTAKES, mistake) for mistake in read_mistakes(evaluation)],
    }


def _mistake(folder: Path, mistake: Mapping[str, Any]) -> dict[str, Any]:
    """A wrong answer; of several labels only those that are wrong or missing."""
    file, truth, predicted = folder / mistake["file"], mistake["truth"], mistake["predicted"]
    texts = {"said": predicted, "meant": f"is {truth}"}
    if isinstance(truth, list):
        wrong, missing = (", ".join(sorted(set(one) - set(other))) for one, other in ((predicted, truth), (truth, predicted)))
        texts = {"said": wrong and f"has no {wrong}", "meant": missing and f"missed {missing}"}
    source = _embed(file.read_bytes(), file.suffix[1:])
    return {**texts, "path": mistake["path"], "probability": mistake["probability"], "source": source, "tiny": file.suffix == ".png"}


def _figure(path: Path) -> dict[str, Any]:
    with Image.open(path) as picture:
        width, height = picture.size
    return {"name": path.stem.replace("_", " ").capitalize(), "source": _embed(path.read_bytes(), "png"), "width": width, "height": height}


def _sheet(path: Path) -> str:
    data = path.read_bytes()
    with Image.open(io.BytesIO(data)) as sheet:
        if sheet.width <= _MAX_SHEET_PX and len(data) <= _MAX_PNG_BYTES:
            return _embed(data, "png")
        picture = sheet.convert("RGB")
    picture.thumbnail((_MAX_SHEET_PX, 100 * _MAX_SHEET_PX), Image.Resampling.LANCZOS)
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=86)
    return _embed(file.getvalue(), "jpeg")


def _embed(data: bytes, kind: str) -> str:
    return f"data:image/{kind.replace('jpg', 'jpeg')};base64,{base64.b64encode(data).decode()}"


def _plain(values: Mapping[str, Any]) -> dict[str, str]:
    """The single values among many, as text."""
    known = {name: value for name, value in values.items() if isinstance(value, str | int | float)}
    return {
        name.replace("_", " "): f"{value:.4g}"
        if isinstance(value, float)
        else str(value).lower()
        if isinstance(value, bool)
        else str(value)
        for name, value in known.items()
    }
