"""Registers the model that a run ended with, promotes it if it is better, and builds the report."""

from pathlib import Path
from typing import Any

from components.register.candidate import Candidate
from components.register.config import RegisterConfig
from components.register.forgetting import forgotten_since, unfinished_maker
from components.register.transaction import settle
from components.register.upload import keep_results, keep_tables, markdown
from components.report.report import write_report
from darkroom import issues as findings
from darkroom.artifacts import Sources
from darkroom.evaluation import read_headline, read_predictions
from darkroom.model import GRAPH, read_card
from darkroom.outcome import Outcome, Verdict
from darkroom.registry.registry import CHAMPION, Version, alias_of, check_name, set_tags
from darkroom.tracking.runs import open_run
from darkroom.tracking.tags import FORGOTTEN


def register(
    model: Path,
    pruned_model: Path,
    evaluation: Path,
    pruned_evaluation: Path,
    splits: Path,
    issues: Path,
    contact_sheet: Path,
    history: Path,
    outcome: Path,
    report: Path,
    *,
    config: RegisterConfig,
    name: str,
    params: dict[str, dict[str, Any]],
    previous: Path | None = None,
    summary: Path | None = None,
) -> dict[str, float]:
    """Registers one version, the pruned model if it met its limits, else the full one.

    The same model again is the version that it already is: nothing is added, no alias moves.

    Args:
        model: The full model, see `darkroom.model`.
        pruned_model: The pruned one; its card says whether it met its limits.
        evaluation: What `evaluate` said of the full model, see `darkroom.evaluation`.
        pruned_evaluation: What it said of the pruned one.
        splits: Manifest with its `split` column.
        issues: Findings of `clean`.
        contact_sheet: Picture of the augmentations, PNG.
        history: The training's curves, CSV.
        outcome: Where the outcome is written, see `darkroom.outcome`.
        report: Where the report is written, see `components.report.report`.
        config: Name, and what promotion asks for.
        name: The model's name where the settings give none.
        params: Settings of all steps, for the run and the report.
        previous: The earlier assignment that `splits` continues, or none.
        summary: Where the outcome is written in Markdown, or none.

    Returns:
        The version's number, 1 if it is the champion now or 0, and the number of files that were left out.

    Raises:
        InputError: The name can't be a model's name, or the MLflow store can't be used.
    """
    name = config.name or name
    check_name(name)
    sources = Sources(model, pruned_model, evaluation, pruned_evaluation, splits, issues, contact_sheet, history)
    candidate = Candidate.choose(name, sources, previous)
    with open_run(name, params, candidate.data_version) as run_id:
        keep_tables(run_id, candidate)
        version, verdict, repeated = settle(candidate, run_id, config)
        result = _outcome(candidate, sources, run_id, version, verdict, repeated=repeated)
        if result.forgotten:
            set_tags(version, {FORGOTTEN: "; ".join(map(str, result.forgotten))})
        result.write(outcome)
        write_report(report, sources, result, params, {"run": run_id, "data version": candidate.data_version})
        for one in (run_id, *unfinished_maker(version, run_id)):
            keep_results(one, sources, result, outcome, report)
        if summary:
            summary.write_text(markdown(result) + "\n")
    known = "  registered before" if repeated else ""
    print(f"{name} version {result.version}{known}  {result.alias or 'no alias'}  {verdict.reason}", flush=True)
    return {"version": float(version.number), "champion": float(result.alias == CHAMPION), "dropped": float(result.dropped)}


def _outcome(candidate: Candidate, sources: Sources, run_id: str, version: Version, verdict: Verdict, *, repeated: bool) -> Outcome:
    """What the run ended with: the version, and what both models are worth."""
    return Outcome(
        name=candidate.name,
        version=version.number,
        alias=alias_of(version),
        variant=candidate.variant,
        verdict=verdict,
        metrics=read_headline(sources.evaluation),
        pruned_metrics=read_headline(sources.pruned_evaluation),
        latency_ratio=float((read_card(sources.pruned_model).pruning or {}).get("latency_ratio", 1.0)),
        size_ratio=(sources.pruned_model / GRAPH).stat().st_size / (sources.model / GRAPH).stat().st_size,
        dropped=num_dropped(sources.issues),
        repeated=repeated,
        run_id=run_id,
        forgotten=tuple(forgotten_since(candidate.name, version.number, read_predictions(candidate.evaluation))),
    )


def num_dropped(issues: Path) -> int:
    """Delivered files that were left out, each counted once however many findings it has."""
    table = findings.read(issues)
    return int(table.loc[table["action"] == "dropped", "path"].nunique())
