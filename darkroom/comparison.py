"""The comparison of two models by their answers on the same images: which one is better, and how sure that is.

Plain values that travel as JSON: in a version's tags, in the outcome, and in the report. `darkroom.metrics.paired_comparison` makes them.
Where there is no champion, the constant answer stands in its place.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from darkroom.system.formats import record_from

_STORED = {"champion": "rival", "champion_score": "rival_score", "champion_recall": "rival_recall"}  # keys of the JSON, where they differ
_READ = {key: name for name, key in _STORED.items()}


@dataclass(frozen=True)
class Difference:
    """One measure of both models on the same images.

    Attributes:
        measure: Its name, see `darkroom.metrics.measures`.
        score: The challenger's value, 0 to 1.
        champion_score: The champion's.
        low: Lower limit of the 95 % interval of the gain.
        high: Upper limit.
        p_value: How often so large a difference, either way, comes about by chance alone.
        test: `mcnemar` or `bootstrap`.
    """

    measure: str
    score: float
    champion_score: float
    low: float
    high: float
    p_value: float
    test: str

    @property
    def gain(self) -> float:
        """By how much the challenger is better; below 0 it is worse."""
        return self.score - self.champion_score


@dataclass(frozen=True)
class ClassChange:
    """A class's recall in both models.

    Attributes:
        name: The class.
        num_images: Shared test images of it.
        recall: The challenger's, 0 to 1.
        champion_recall: The champion's.
        p_value: How often so large a fall comes about by chance alone (one-sided).
    """

    name: str
    num_images: int
    recall: float
    champion_recall: float
    p_value: float

    @property
    def change(self) -> float:
        """By how much the recall rose; below 0 it fell."""
        return self.recall - self.champion_recall


@dataclass(frozen=True)
class Limit:
    """A requirement of the gate.

    Attributes:
        name: The setting, such as `max_size_mb`.
        asked: What is required, for a person.
        found: What was found, for a person.
        met: Whether that is enough.
    """

    name: str
    asked: str
    found: str
    met: bool


@dataclass(frozen=True)
class Comparison:
    """Two models on the test images that both have answered.

    Attributes:
        champion: What the challenger was compared with, for a person: `version 3`.
        differences: The deciding measure first.
        classes: The largest fall of recall first.
        num_shared: Test images that both answered.
        num_units: Groups of them that count as one: a patient, a cluster of duplicates.
        num_won: Images that only the challenger answered rightly.
        num_lost: Images that only the champion did.
        num_new: Test images that the champion has not answered.
        new: The challenger's measures on those.
    """

    champion: str
    differences: tuple[Difference, ...]
    classes: tuple[ClassChange, ...]
    num_shared: int
    num_units: int
    num_won: int
    num_lost: int
    num_new: int = 0
    new: Mapping[str, float] = field(default_factory=dict)

    @property
    def main(self) -> Difference:
        """The measure that decides."""
        return self.differences[0]

    def plain(self) -> dict[str, Any]:
        """Plain values, which `from_plain` reads."""
        rows = {name: [_renamed(asdict(row), _STORED) for row in getattr(self, name)] for name in ("differences", "classes")}
        return _renamed(asdict(self) | rows, _STORED)

    @classmethod
    def from_plain(cls, values: Mapping[str, Any]) -> "Comparison":
        """Makes a comparison from what `plain` gave."""
        parts = {
            "differences": tuple(record_from(Difference, _renamed(row, _READ)) for row in values["differences"]),
            "classes": tuple(record_from(ClassChange, _renamed(row, _READ)) for row in values["classes"]),
        }
        return record_from(cls, {**_renamed(values, _READ), **parts})


def _renamed(values: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    return {names.get(name, name): value for name, value in values.items()}


def p_text(value: float) -> str:
    """A p-value for a person: `= 0.031`."""
    return "< 0.001" if value < 0.001 else f"= {value:.3f}"
