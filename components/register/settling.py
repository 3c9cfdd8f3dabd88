"""Settling: which version a candidate is, and which alias it gets; a crash in between is made good by the next run.

The decision's tag is written last, after the alias has moved: a version without it is not settled yet.
"""

import dataclasses
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path

from components.evaluation import Predictions, read_headline, read_predictions
from components.model import read_card
from components.outcome import Verdict
from components.packaging import bundle_sha256, log_bundle
from components.register.candidate import Candidate
from components.register.keeping import keep_bundle
from components.register.promotion import compare, first_verdict
from components.registry import EVALUATION_KEPT, kept
from components.versions import CHAMPION, DECISION, REASON, Version, champion, find_version, register_version, set_alias, set_tags

COMPARISON = "darkroom.comparison"  # JSON: with which version, on what, how many images, both values


def settle(candidate: Candidate, run_id: str, measure: str, min_gain: float) -> tuple[Version, Verdict, bool]:
    """Registers a candidate, compares it with the champion and moves an alias; or finds the version that it already is.

    Args:
        candidate: The model.
        run_id: The run that made it.
        measure: What decides.
        min_gain: By how much it must be better, more than.

    Returns:
        The version, why it got its alias, and whether it had been settled before.
    """
    version = find_version(candidate.name, bundle_sha256(candidate.bundle))
    if version and DECISION in version.tags:
        return version, _verdict(version.tags), True
    if version is None:
        keep_bundle(run_id, candidate)
        logged = log_bundle(run_id, candidate.bundle, candidate.example(), _measures(candidate))
        version = register_version(candidate.name, run_id, logged, candidate.tags(), _describe(candidate))
    best = champion(candidate.name)
    if best and best.number == version.number:  # the alias had moved before a crash
        verdict = _verdict(version.tags)
    else:
        verdict = _judge(candidate, best, measure, min_gain)
        set_tags(version, _tags(verdict))
        set_alias(version, verdict.decision)
    set_tags(version, {DECISION: verdict.decision})
    return version, verdict, False


def _judge(candidate: Candidate, best: Version | None, measure: str, min_gain: float) -> Verdict:
    if best is None:
        return first_verdict()
    return compare(read_predictions(candidate.evaluation), _answers(best), best.number, measure, min_gain)


def _answers(version: Version) -> Predictions | None:
    with tempfile.TemporaryDirectory() as place:
        folder = kept(version, EVALUATION_KEPT, Path(place))
        return read_predictions(folder) if folder else None


def _measures(candidate: Candidate) -> dict[str, float]:
    """Headline measures under the names that they have in the run, see `keeping`."""
    prefix = "pruned_" if candidate.variant == "pruned" else ""
    return {prefix + name: value for name, value in read_headline(candidate.evaluation).items()}


def _tags(verdict: Verdict) -> dict[str, str]:
    facts = dataclasses.asdict(verdict)
    del facts["decision"], facts["reason"]
    return {REASON: verdict.reason, **({COMPARISON: json.dumps(facts)} if verdict.rival else {})}


def _verdict(tags: Mapping[str, str]) -> Verdict:
    return Verdict(tags.get(DECISION, CHAMPION), tags[REASON], **json.loads(tags.get(COMPARISON, "{}")))


def _describe(candidate: Candidate) -> str:
    card, headline = read_card(candidate.bundle), read_headline(candidate.evaluation)
    return (
        f"{card.architecture}, {candidate.variant}, {card.task} with {len(card.classes)} classes, {card.side_px} px: "
        f"accuracy {headline['accuracy']:.4f}, macro F1 {headline['f1_macro']:.4f} on {int(headline['num_images'])} test images"
    )
