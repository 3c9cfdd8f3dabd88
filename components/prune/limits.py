"""Whether a pruned model is worth having, and why."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from darkroom.training.hyperparameters import LOWER_IS_BETTER
from darkroom.training.validation import compared_by, falls_below, score

ALWAYS = ("f1_macro", "accuracy")  # measures that are shown beside the monitored one


@dataclass(frozen=True)
class Verdict:
    """What pruning brought.

    Attributes:
        met: Whether the model is within both limits.
        reason: One sentence for a person.
        measures: Ratios, latencies, and validation measures as `<measure>_before` and `<measure>_after`.
    """

    met: bool
    reason: str
    measures: dict[str, float]


def check_limits(
    facts: Mapping[str, float],
    before: Mapping[str, float],
    after: Mapping[str, float],
    monitor: str,
    max_drop: float,
    max_latency_ratio: float,
    floor: Mapping[str, Any] | None = None,
) -> Verdict:
    """Decides whether a pruned model is within its limits.

    Args:
        facts: Ratios and latencies, among them `latency_ratio` and `macs_ratio`.
        before: The full model's row of validation measures, `validation_<measure>`.
        after: The pruned model's.
        monitor: The measure that may not get worse than by `max_drop`.
        max_drop: In the measure's own unit.
        max_latency_ratio: Largest share of the full model's latency.
        floor: What the card says of the model's floor, see `components.train.floor`: a pruned model below it would be no champion.
    """
    name = f"validation_{monitor}"
    measures = dict(facts) | _pairs(before, after, monitor)
    faults = []
    if name not in before or name not in after:
        faults.append(f"{monitor} has no value: the validation images don't define it")
    elif score(before, monitor) - score(after, monitor) > max_drop:
        faults.append(f"{monitor} went from {before[name]:.4f} to {after[name]:.4f}, by more than prune.max_drop {max_drop:g}")
    faults += _floor_faults(floor or {}, after, monitor)
    if facts["latency_ratio"] > max_latency_ratio:
        faults.append(f"latency is at {facts['latency_ratio']:.2f}, above prune.max_latency_ratio {max_latency_ratio:g}")
    what = f"{facts['macs_ratio']:.0%} of the multiply-adds and {facts['latency_ratio']:.0%} of the latency remain"
    if faults:
        return Verdict(False, f"limits not met: {'; '.join(faults)} ({what})", measures)
    return Verdict(True, f"limits met: {what}, {monitor} went from {before[name]:.4f} to {after[name]:.4f}", measures)


def hopeless(before: Mapping[str, float], early: Mapping[str, float], monitor: str, max_drop: float, max_gain: float) -> str:
    """Why fine-tuning a pruned network can't bring it within its limits, or nothing where it may.

    Args:
        before: The full model's row of validation measures, `validation_<measure>`.
        early: The pruned network's, before it is fine-tuned.
        monitor: The measure that may not get worse than by `max_drop`; of a loss, which has no scale, nothing is foretold.
        max_drop: In the measure's own unit.
        max_gain: What fine-tuning is thought to bring at most, in the same unit.
    """
    name = f"validation_{monitor}"
    if monitor in LOWER_IS_BETTER or name not in before or name not in early:
        return ""
    if before[name] - early[name] <= max_drop + max_gain:
        return ""
    return (
        f"{monitor} went from {before[name]:.4f} to {early[name]:.4f}, too far for fine-tuning to bring it back within prune.max_drop "
        f"{max_drop:g} (prune.early_drop_per_epoch): a larger prune.target_macs_ratio or more prune.epochs may help"
    )


def _floor_faults(floor: Mapping[str, Any], after: Mapping[str, float], monitor: str) -> list[str]:
    monitor = compared_by(monitor)
    name, limits = f"validation_{monitor}", {f"validation_{name}": both["floor"] for name, both in floor.get("validation", {}).items()}
    if floor.get("required", "report") == "report" or not falls_below(after, limits, monitor):
        return []
    return [f"{monitor} of {after[name]:.4f} is worse than the floor's {limits[name]:.4f} (train.floor)"]


def beside_floor(provenance: Mapping[str, Any], after: Mapping[str, float]) -> Mapping[str, Any]:
    """What a card says of its model, with the pruned model's own measures beside the floor's: the gate goes by them.

    Args:
        provenance: The full model's.
        after: The pruned model's row of validation measures, `validation_<measure>`.
    """
    floor = provenance.get("floor", {})
    measured = {name: {**both, "model": after[f"validation_{name}"]} for name, both in floor.get("validation", {}).items()}
    return {**provenance, "floor": {**floor, "validation": measured}} if floor else provenance


def _pairs(before: Mapping[str, float], after: Mapping[str, float], monitor: str) -> dict[str, float]:
    pairs = {}
    for measure in dict.fromkeys((monitor, *ALWAYS)):
        for when, row in (("before", before), ("after", after)):
            if f"validation_{measure}" in row:
                pairs[f"{measure}_{when}"] = row[f"validation_{measure}"]
    return pairs
