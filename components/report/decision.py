"""What the report shows of a decision: why it was made, and both models' measures with their difference on one scale."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from darkroom.comparison import Comparison, Difference, p_text
from darkroom.outcome import Verdict


def decision_of(outcome: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """A decision as the template reads it.

    Args:
        outcome: What `register` wrote, see `darkroom.outcome.read_outcome`.
        names: What a person calls the measures.
    """
    verdict = Verdict.from_plain(outcome["decision"], outcome["reason"], outcome)
    return {
        **outcome["model"],
        "made": verdict.decision,
        "reason": verdict.reason,
        "champion_version": verdict.champion_version,
        "limits": verdict.limits,
        "compared": _compared(verdict.comparison, names) if verdict.comparison else None,
        "repeated": outcome["repeated"],
        "forgotten": outcome["forgotten"],
    }


def _compared(compared: Comparison, names: Mapping[str, str]) -> dict[str, Any]:
    return {
        **asdict(compared),
        "rows": _rows(compared, names),
        "new": [(_name(measure, names), value) for measure, value in compared.new.items()],
        "classes": [{**asdict(row), "change": row.change, "p": p_text(row.p_value).removeprefix("= ")} for row in compared.classes],
    }


def _rows(compared: Comparison, names: Mapping[str, str]) -> list[dict[str, Any]]:
    """A row a measure; intervals and gains as places on a scale of 0 to 100 on which all of them fit, with 0 in the middle."""
    reach = 1.05 * max([0.01, *(abs(edge) for row in compared.differences for edge in (row.low, row.high, row.gain))])

    def percent(gain: float) -> float:
        return 50 + 50 * gain / reach

    def drawn(row: Difference) -> dict[str, float]:
        return {"zero": 50.0, "left": percent(row.low), "width": percent(row.high) - percent(row.low), "at": percent(row.gain)}

    return [
        {**asdict(row), **drawn(row), "name": _name(row.measure, names), "gain": row.gain, "p": p_text(row.p_value).removeprefix("= ")}
        for row in compared.differences
    ]


def _name(measure: str, names: Mapping[str, str]) -> str:
    return names.get(measure, measure.replace("_", " ").capitalize())
