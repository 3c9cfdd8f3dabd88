"""The report: one HTML file, complete in itself, that shows a run from its data to the decision about its model."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from components.report.config import ReportConfig
from components.report.data_section import NAME_LENGTH, data_section, findings, pictured_findings
from components.report.decision import decision_of
from components.report.evaluation_section import evaluation_section
from components.report.leaks_section import leaks_section
from components.report.pictures import sheet
from components.report.pretraining_section import pretraining_section
from components.report.search_section import search_section
from components.report.training_section import training_section
from darkroom import manifest as manifests
from darkroom.artifacts import Artifacts
from darkroom.evaluation import read_headline, read_metrics
from darkroom.issues import num_dropped
from darkroom.model import GRAPH, read_card
from darkroom.notes import KEY as NOTES
from darkroom.notes import from_plain, ordered
from darkroom.outcome import HEADLINE, Variant, read_outcome
from darkroom.short_names import shortened
from darkroom.system.files import whole

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
_TEMPLATE = Path(__file__).with_name("report.html.jinja")


def report(
    artifacts: Artifacts,
    report: Path,
    *,
    config: ReportConfig,
    params: dict[str, dict[str, Any]],
    outcome: Path | None = None,
    tuned: Path | None = None,
    pretrained: Path | None = None,
) -> dict[str, float]:
    """Writes the report; equal inputs make equal bytes.

    Args:
        artifacts: What the steps before have left.
        report: The HTML file.
        config: How much is shown.
        params: Settings of all steps, a section each.
        outcome: What `register` decided, see `darkroom.outcome`; without it the report says that nothing was registered.
        tuned: The result of a search of settings, see `darkroom.tuned`, or none.
        pretrained: What a network has learnt without labels, see `darkroom.pretrained_weights`, or none.

    Returns:
        The size of the page in megabytes (10^6 bytes).
    """
    decided = read_outcome(outcome) if outcome else None
    variant: Variant = decided["model"]["variant"] if decided else artifacts.variant
    measures: dict[Variant, dict[str, float]] = {
        "full": read_headline(artifacts.evaluation),
        "pruned": read_headline(artifacts.pruned_evaluation),
    }
    manifest, card = manifests.read(artifacts.splits), read_card(artifacts.model)
    origin = {**({"run": decided["run_id"]} if decided else {}), "data version": manifest.data_version}
    page = _template().render(
        decision=decision_of(decided, NAMES) if decided else None,
        variant=variant,
        card=card,
        headline=_headline(artifacts.evaluation_of(variant), measures, variant),
        dropped=num_dropped(artifacts.issues),
        **data_section(manifest),
        notes=ordered(from_plain((decided or {}).get(NOTES)) or artifacts.notes),
        findings=findings(artifacts.issues, config.num_examples),
        pictured=pictured_findings(artifacts.issues),
        name_length=NAME_LENGTH,
        **leaks_section(artifacts.evaluation_of(variant)),
        contact_sheet=sheet(artifacts.contact_sheet, config.max_sheet_px),
        pretraining=pretraining_section(pretrained, str(params.get("pretrain", {}).get("data", ""))),
        search=search_section(tuned),
        **training_section(artifacts, card, config.max_sheet_px),
        names=NAMES,
        evaluated_on=f"the images of {evaluation_data}" if (evaluation_data := params.get("evaluate", {}).get("data")) else "test images",
        num_trained_on=int(measures["full"].get("num_trained_on", 0)),
        **evaluation_section(artifacts.evaluation_of(variant)),
        pruning=_plain(read_card(artifacts.pruned_model).pruning or {}),
        choice=_choice(artifacts, variant),
        costs=_costs(artifacts),
        table=_table(measures),
        floor=_floor(artifacts, variant, measures[variant], decided),
        origin={**origin, **_plain(card.provenance), **origin},  # in its order, and with its values
        params=params,
    )
    with whole(report) as draft:
        draft.write_text(page, encoding="utf-8")
    return {"megabytes": report.stat().st_size / 1e6}


def _template() -> Any:
    loader = FileSystemLoader(_TEMPLATE.parent)
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["shortened"] = shortened
    return environment.get_template(_TEMPLATE.name)


def _headline(evaluation: Path, measures: Mapping[Variant, Mapping[str, float]], variant: Variant) -> list[dict[str, Any]]:
    """Cards: the registered model's value with its interval, and the other model's."""
    intervals = read_metrics(evaluation).get("intervals", {})
    shown, other = measures[variant], measures["full" if variant == "pruned" else "pruned"]
    return [
        {"name": NAMES[name], "value": shown[name], "other": other.get(name), "interval": intervals.get(name)}
        for name in _CARDS
        if name in shown
    ]


def _table(measures: Mapping[Variant, Mapping[str, float]]) -> list[dict[str, Any]]:
    """All headline measures of both models, the best known first."""
    full, pruned = measures["full"], measures["pruned"]
    order = [*(name for name in HEADLINE if name in full), *sorted(set(full) - set(HEADLINE))]
    return [
        {"name": NAMES.get(name, name.replace("_", " ").capitalize()), "full": full[name], "pruned": pruned.get(name)} for name in order
    ]


def _floor(artifacts: Artifacts, variant: Variant, shown: Mapping[str, float], decided: Mapping[str, Any] | None) -> dict[str, Any]:
    """The registered model beside the floor: on the test images, and on the validation images, which decide."""
    on_test = read_headline(artifacts.floor_evaluation)
    known = read_card(artifacts.model_of(variant)).provenance.get("floor", {})
    difference = (decided or {}).get("floor", {}).get("difference")
    names = [name for name in HEADLINE if name in shown and name in on_test]
    return {
        "architecture": known.get("architecture", ""),
        "required": known.get("required", ""),
        "rows": [{"name": NAMES[name], "model": shown[name], "floor": on_test[name], **_on_validation(known, name)} for name in names],
        "difference": difference and {**difference, "name": NAMES.get(difference["measure"], difference["measure"])},
    }


def _on_validation(known: Mapping[str, Any], name: str) -> dict[str, Any]:
    values = known.get("validation", {}).get(name, {})
    return {"validation_model": values.get("model"), "validation_floor": values.get("floor")}


def _choice(artifacts: Artifacts, variant: Variant) -> str:
    """Which of the two models was registered, and why that one."""
    pruning = read_card(artifacts.pruned_model).pruning or {}
    if variant == "pruned":
        return "The pruned model met its limits and was registered. Both stay with the run."
    if pruning.get("met"):
        return "The pruned model met its limits, but falls below the floor; the full one was registered. Both stay with the run."
    if not set(pruning) - {"met", "reason"}:  # nothing was measured
        return "Nothing was pruned; the full model was registered."
    return "The pruned model did not meet its limits; the full one was registered. Both stay with the run."


def _costs(artifacts: Artifacts) -> list[dict[str, Any]]:
    """Latency and size of both models, with their ratio."""
    facts = read_card(artifacts.pruned_model).pruning or {}
    times = [f"{facts[name]:.3g} ms" if name in facts else "" for name in ("latency_ms_before", "latency_ms_after")]
    sizes = [_bytes((folder / GRAPH).stat().st_size) for folder in (artifacts.model, artifacts.pruned_model)]
    return [
        {"name": "Latency", "ratio": artifacts.latency_ratio, "before": times[0], "after": times[1]},
        {"name": "Size", "ratio": artifacts.size_ratio, "before": sizes[0], "after": sizes[1]},
    ]


def _bytes(number: int) -> str:
    return f"{number / 1e6:.1f} MB" if number >= 1e6 else f"{number / 1e3:.1f} kB"


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
