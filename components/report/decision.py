"""What the report shows of a decision: both models' measures with their difference, drawn on one scale."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from darkroom.comparison import Comparison, Difference, p_text
from darkroom.outcome import Verdict


def comparison_of(verdict: Verdict, names: Mapping[str, str]) -> dict[str, Any]:
    """A comparison as the template reads it; empty where there was none.

    Args:
        verdict: The decision.
        names: What a person calls the measures.
    """
    compared = verdict.comparison
    if compared is None:
        return {}
    return {
        **asdict(compared),
        "rows": _rows(compared, names),
        "new": [(_name(measure, names), value) for measure, value in compared.new.items()],
        "classes": [{**asdict(row), "change": row.change, "p": p_text(row.p_value).removeprefix("= ")} for row in compared.classes],
    }


def _rows(compared: Comparison, names: Mapping[str, str]) -> list[dict[str, Any]]:
    """A row a measure; intervals and gains as places on a scale of 0 to 100 on which all of them fit, with 0 in the middle."""
    reach = 1.05 * max([0.01, *(abs(edge) for row in compared.differences for edge in (row.low, row.high, row.gain))])

    def place(gain: float) -> float:
        return 50 + 50 * gain / reach

    def drawn(row: Difference) -> dict[str, float]:
        return {"zero": 50.0, "left": place(row.low), "width": place(row.high) - place(row.low), "at": place(row.gain)}

    return [
        {**asdict(row), **drawn(row), "name": _name(row.measure, names), "gain": row.gain, "p": p_text(row.p_value).removeprefix("= ")}
        for row in compared.differences
    ]


def _name(measure: str, names: Mapping[str, str]) -> str:
    return names.get(measure, measure.replace("_", " ").capitalize())
