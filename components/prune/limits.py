"""Whether a pruned model is worth having, and why."""

from collections.abc import Mapping
from dataclasses import dataclass

from darkroom.training.validation import score

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
) -> Verdict:
    """Decides whether a pruned model is within its limits.

    Args:
        facts: Ratios and latencies, among them `latency_ratio` and `macs_ratio`.
        before: The full model's row of validation measures, `validation_<measure>`.
        after: The pruned model's.
        monitor: The measure that may not get worse than by `max_drop`.
        max_drop: In the measure's own unit.
        max_latency_ratio: Largest share of the full model's latency.
    """
    name = f"validation_{monitor}"
    measures = dict(facts) | _pairs(before, after, monitor)
    faults = []
    if name not in before or name not in after:
        faults.append(f"{monitor} has no value: the validation images don't define it")
    elif score(before, monitor) - score(after, monitor) > max_drop:
        faults.append(f"{monitor} went from {before[name]:.4f} to {after[name]:.4f}, by more than prune.max_drop {max_drop:g}")
    if facts["latency_ratio"] > max_latency_ratio:
        faults.append(f"latency is at {facts['latency_ratio']:.2f}, above prune.max_latency_ratio {max_latency_ratio:g}")
    what = f"{facts['macs_ratio']:.0%} of the multiply-adds and {facts['latency_ratio']:.0%} of the latency remain"
    if faults:
        return Verdict(False, f"limits not met: {'; '.join(faults)} ({what})", measures)
    return Verdict(True, f"limits met: {what}, {monitor} went from {before[name]:.4f} to {after[name]:.4f}", measures)


def _pairs(before: Mapping[str, float], after: Mapping[str, float], monitor: str) -> dict[str, float]:
    pairs = {}
    for measure in dict.fromkeys((monitor, *ALWAYS)):
        for when, row in (("before", before), ("after", after)):
            if f"validation_{measure}" in row:
                pairs[f"{measure}_{when}"] = row[f"validation_{measure}"]
    return pairs
