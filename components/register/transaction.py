"""The transaction that registers a candidate: its version, then its alias; the next run completes one that a crash cut off.

The decision's tag is written last, after the alias has moved: a version without it is not registered completely. The alias moves only
if the champion is still the one that the candidate was compared with; else it is compared again.
"""

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path

from components.register.candidate import Candidate
from components.register.config import RegisterConfig
from components.register.cost_limits import cost_limits
from components.register.floor_limit import floor_limits
from components.register.gate import decide, refusal
from components.register.upload import keep_bundle
from darkroom.evaluation import Predictions, read_headline, read_predictions
from darkroom.metrics.baseline import constant_answer
from darkroom.metrics.paired_comparison import compare_models
from darkroom.model import read_card
from darkroom.outcome import Verdict
from darkroom.registry.champion import alias_lock, move, seal
from darkroom.registry.fetch import EVALUATION_KEPT, kept
from darkroom.registry.package import bundle_sha256, log_bundle
from darkroom.registry.registry import (
    CHALLENGER,
    CHAMPION,
    Version,
    champion,
    drop_twins,
    ensure_model,
    find_version,
    get_version,
    register_version,
    set_alias,
    set_tags,
)
from darkroom.tracking.log import as_metric
from darkroom.tracking.tags import COMPARED_WITH, COMPARISON, DECISION, GAIN, GAIN_INTERVAL, P_VALUE, REASON


def register_candidate(candidate: Candidate, run_id: str, config: RegisterConfig) -> tuple[Version, Verdict, bool]:
    """Registers a candidate, compares it with the champion and moves an alias; or finds the version that it already is.

    Args:
        candidate: The model.
        run_id: The run that made it.
        config: What promotion asks for.

    Returns:
        The version, why it got its alias, and whether it had been registered before.
    """
    version = find_version(candidate.name, bundle_sha256(candidate.bundle)) or _add(candidate, run_id)
    while DECISION not in version.tags:
        best = champion(candidate.name)
        verdict = _stored(version.tags) if _number(best) == version.number else _verdict(candidate, best, config)
        with alias_lock(candidate.name):
            version = get_version(version.name, version.number)  # another run may have registered the same model in the meantime
            if DECISION not in version.tags and _number(champion(candidate.name)) == _number(best):
                _seal(version, best, verdict)
                return version, verdict, False
    return version, _stored(version.tags), True


def _add(candidate: Candidate, run_id: str) -> Version:
    keep_bundle(run_id, candidate)
    logged = log_bundle(run_id, candidate.bundle, candidate.example(), _measures(candidate))
    ensure_model(candidate.name)
    with alias_lock(candidate.name):  # two runs that end with the same model at once are one version
        known = find_version(candidate.name, bundle_sha256(candidate.bundle))
        return known or register_version(candidate.name, run_id, logged, candidate.tags(), _describe(candidate))


def _seal(version: Version, best: Version | None, verdict: Verdict) -> None:
    """Writes the decision down around the move of the alias, so that the next run can complete it after a crash anywhere in between."""
    drop_twins(version)
    set_tags(version, _tags(verdict))
    if verdict.decision == CHALLENGER:
        set_alias(version, CHALLENGER)
    elif _number(best) != version.number:
        move(version, "gate", verdict.reason)
    else:  # the alias had moved before a crash
        seal(version.name)
    set_tags(version, {DECISION: verdict.decision})


def _verdict(candidate: Candidate, best: Version | None, config: RegisterConfig) -> Verdict:
    challenger = read_predictions(candidate.evaluation)
    if best is None:
        baseline, name = constant_answer(challenger, config.measure)
    else:
        kept_answers, name = _answers(best), f"version {best.number}"
        refused = refusal(challenger, kept_answers, best.number)
        if kept_answers is None or refused:
            return Verdict(CHALLENGER, refused, best.number)
        baseline = kept_answers
    compared = compare_models(challenger, baseline, config.measure, name, num_resamples=config.num_resamples, seed=config.seed)
    champion_version = _number(best)
    if compared is None:
        return Verdict(CHALLENGER, f"{config.measure} is not defined on the test images that both have answered", champion_version)
    floor = floor_limits(read_card(candidate.bundle), config)
    return decide(compared, cost_limits(candidate.bundle, best, config), champion_version, config, floor)


def _number(version: Version | None) -> int:
    return version.number if version else 0


def _answers(version: Version) -> Predictions | None:
    with tempfile.TemporaryDirectory() as place:
        folder = kept(version, EVALUATION_KEPT, Path(place))
        return read_predictions(folder) if folder else None


def _measures(candidate: Candidate) -> dict[str, float]:
    """Headline measures under the names that they have in the run, see `components.register.upload`."""
    prefix = "pruned_" if candidate.variant == "pruned" else ""
    return {as_metric(prefix + name): value for name, value in read_headline(candidate.evaluation).items()}


def _tags(verdict: Verdict) -> dict[str, str]:
    tags = {REASON: verdict.reason, COMPARISON: json.dumps(verdict.plain(), ensure_ascii=False)}
    if verdict.comparison:
        main = verdict.comparison.main
        tags |= {COMPARED_WITH: verdict.comparison.champion, GAIN: f"{main.measure} {main.gain:+.4f}", P_VALUE: f"{main.p_value:.4g}"}
        tags |= {GAIN_INTERVAL: f"{main.low:+.4f} to {main.high:+.4f}"}
    return tags


def _stored(tags: Mapping[str, str]) -> Verdict:
    reason = tags.get(REASON, "it was made champion by hand before it had been compared")
    return Verdict.from_plain(tags.get(DECISION, CHAMPION), reason, json.loads(tags.get(COMPARISON, "{}")))


def _describe(candidate: Candidate) -> str:
    card, headline = read_card(candidate.bundle), read_headline(candidate.evaluation)
    return (
        f"{card.architecture}, {candidate.variant}, {card.task} with {len(card.classes)} classes, {card.side_px} px: "
        f"accuracy {headline['accuracy']:.4f}, macro F1 {headline['f1_macro']:.4f} on {int(headline['num_images'])} test images"
    )
