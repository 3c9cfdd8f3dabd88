"""Registers the model that a run ended with, and promotes it if it is better."""

from pathlib import Path
from typing import Any

from components.register.candidate import Candidate
from components.register.config import RegisterConfig
from components.register.forgetting import forgotten_since, unfinished_maker
from components.register.transaction import register_candidate
from components.register.upload import keep_results, keep_tables, markdown
from darkroom.artifacts import Artifacts
from darkroom.comparison import Difference, p_text
from darkroom.evaluation import read_headline, read_leak_pairs, read_predictions
from darkroom.issues import num_dropped
from darkroom.metrics.paired_comparison import compare_models
from darkroom.outcome import Outcome, Verdict
from darkroom.registry.registry import CHAMPION, Version, alias_of, check_name, set_tags
from darkroom.tracking.runs import open_run
from darkroom.tracking.tags import FLOOR, FORGOTTEN


def register(
    artifacts: Artifacts,
    outcome: Path,
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
        artifacts: What the steps before have left.
        outcome: Where the outcome is written, see `darkroom.outcome`.
        config: Name, and what promotion asks for.
        name: The model's name where the settings give none.
        params: Settings of all steps, for the run.
        previous: The earlier assignment that `splits` continues, or none.
        summary: Where the outcome is written in Markdown, or none.

    Returns:
        The version's number, 1 if it is the champion now or 0, and the number of files that were left out.

    Raises:
        InputError: The name can't be a model's name, or the MLflow store can't be used.
    """
    name = config.name or name
    check_name(name)
    candidate = Candidate.choose(name, artifacts, previous, config)
    with open_run(name, params, candidate.data_version) as run_id:
        keep_tables(run_id, candidate)
        version, verdict, repeated = register_candidate(candidate, run_id, config)
        result = _outcome(candidate, artifacts, run_id, version, verdict, config, repeated=repeated)
        if result.forgotten:
            set_tags(version, {FORGOTTEN: "; ".join(map(str, result.forgotten))})
        if difference := result.floor_difference:
            found = f"95 %: {difference.low:+.4f} to {difference.high:+.4f}, p {p_text(difference.p_value)}"
            value = f"{difference.measure} {difference.champion_score:.4f}, the model {difference.gain:+.4f} ({found})"
            set_tags(version, {FLOOR: value})
        result.write(outcome)
        for one in (run_id, *unfinished_maker(version, run_id)):
            keep_results(one, artifacts, result, outcome)
        if summary:
            summary.write_text(markdown(result) + "\n", encoding="utf-8")
    known = "  registered before" if repeated else ""
    print(f"{name} version {result.version}{known}  {result.alias or 'no alias'}  {verdict.reason}", flush=True)
    return {"version": float(version.number), "champion": float(result.alias == CHAMPION), "dropped": float(result.dropped)}


def _outcome(
    candidate: Candidate, artifacts: Artifacts, run_id: str, version: Version, verdict: Verdict, config: RegisterConfig, *, repeated: bool
) -> Outcome:
    """What the run ended with: the version, and what both models are worth."""
    return Outcome(
        name=candidate.name,
        version=version.number,
        alias=alias_of(version),
        variant=candidate.variant,
        verdict=verdict,
        metrics=read_headline(artifacts.evaluation),
        pruned_metrics=read_headline(artifacts.pruned_evaluation),
        latency_ratio=artifacts.latency_ratio,
        size_ratio=artifacts.size_ratio,
        dropped=num_dropped(artifacts.issues),
        repeated=repeated,
        run_id=run_id,
        forgotten=tuple(forgotten_since(candidate.name, version.number, read_predictions(candidate.evaluation))),
        notes=(*artifacts.notes, *candidate.notes),
        floor_metrics=read_headline(artifacts.floor_evaluation),
        floor_difference=_beside_floor(candidate, artifacts, config),
        leaks=_leaks(artifacts, config),
    )


def _leaks(artifacts: Artifacts, config: RegisterConfig) -> dict[str, Any]:
    """What leaks from training into the test images, and the measure that decides without them; empty where that was not tested."""
    figures, _ = read_leak_pairs(artifacts.evaluation)
    if not figures:
        return {}
    return {**figures, "measure": config.measure, "measure_without": figures["without"].get(config.measure)}


def _beside_floor(candidate: Candidate, artifacts: Artifacts, config: RegisterConfig) -> Difference | None:
    """The candidate with the floor on the test images; nothing where the measure is not defined on them."""
    model, floor = read_predictions(candidate.evaluation), read_predictions(artifacts.floor_evaluation)
    compared = compare_models(model, floor, config.measure, "the floor", num_resamples=config.num_resamples, seed=config.seed)
    return compared.main if compared else None
