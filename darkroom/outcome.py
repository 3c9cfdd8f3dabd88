"""The outcome: one JSON file that says which version a run ended with, what it is worth, and why it was promoted or not."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from darkroom.comparison import Comparison, Difference, Limit
from darkroom.notes import KEY as NOTES
from darkroom.notes import Note, plain
from darkroom.system.files import read_json, write_json
from darkroom.system.formats import Format, record_from

Variant = Literal["full", "pruned"]
HEADLINE = ("accuracy", "balanced_accuracy", "f1_macro", "f1_micro", "roc_auc", "average_precision")  # what a person looks for first
_FORMAT = Format("run's outcome")


@dataclass(frozen=True)
class Forgotten:
    """What a new model forgot of one earlier version's test set.

    Attributes:
        version: The earlier version.
        num_images: Images of its test set that are in the new one too.
        num_known: How many of them it had right, by today's labels.
        num_forgotten: How many of those the new model has wrong.
        num_learnt: How many that it had wrong the new model has right.
        examples: Paths of some forgotten images.
    """

    version: int
    num_images: int
    num_known: int
    num_forgotten: int
    num_learnt: int
    examples: tuple[str, ...]

    def __str__(self) -> str:
        return f"version {self.version}: {self.num_forgotten} of {self.num_known} forgotten, {self.num_learnt} learnt"


@dataclass(frozen=True)
class Verdict:
    """Which alias a version gets, and why.

    Attributes:
        decision: `champion` or `challenger`.
        reason: One sentence.
        champion_version: Number of the version it was compared with, 0 for none.
        comparison: What both answered on the same images, or nothing where they can't be compared.
        limits: What the gate asks for, each met or not.
    """

    decision: str
    reason: str
    champion_version: int = 0
    comparison: Comparison | None = None
    limits: tuple[Limit, ...] = ()

    def plain(self) -> dict[str, Any]:
        """Plain values without decision and reason, which `from_plain` reads."""
        return {
            "rival": self.champion_version,
            "comparison": self.comparison.plain() if self.comparison else None,
            "limits": [asdict(limit) for limit in self.limits],
        }

    @classmethod
    def from_plain(cls, decision: str, reason: str, values: Mapping[str, Any]) -> "Verdict":
        """Makes a verdict from what `plain` gave; from an earlier version of Darkroom, without its numbers."""
        compared = values.get("comparison")
        limits = tuple(record_from(Limit, row) for row in values.get("limits", ()))
        return cls(decision, reason, int(values.get("rival", 0)), Comparison.from_plain(compared) if compared else None, limits)


@dataclass(frozen=True)
class Outcome:
    """What a run ended with.

    Attributes:
        name: The registered model.
        version: Its version, from 1.
        alias: The version's alias now, or empty.
        variant: Which of the two models was registered.
        verdict: Why it has the alias.
        metrics: Headline measures of the full model on the test images.
        pruned_metrics: The same of the pruned model.
        latency_ratio: The pruned model's latency over the full one's.
        size_ratio: The same of the graphs' sizes.
        dropped: Delivered files that were left out.
        repeated: Whether an earlier run had registered the very same model.
        run_id: The MLflow run, which has the details.
        forgotten: What it has wrong that earlier versions had right.
        notes: What the steps decided or left out, in their order.
        floor_metrics: The same of the floor, a linear model on the embeddings; none of a run of an earlier Darkroom.
        leaks: Share of the tested images with a suspicious neighbour in training, its limits `low` and `high`, and `measure_without`: the
            full model's value of `measure` without these images, or nothing where none is left. Empty where that was not tested.
        floor_difference: The registered model with the floor on the test images, by the measure that decides; decides nothing itself.
    """

    name: str
    version: int
    alias: str
    variant: Variant
    verdict: Verdict
    metrics: Mapping[str, float]
    pruned_metrics: Mapping[str, float]
    latency_ratio: float
    size_ratio: float
    dropped: int
    repeated: bool = False
    run_id: str = ""
    forgotten: tuple[Forgotten, ...] = ()
    notes: tuple[Note, ...] = ()
    floor_metrics: Mapping[str, float] = field(default_factory=dict)
    floor_difference: Difference | None = None
    leaks: Mapping[str, Any] = field(default_factory=dict)

    def write(self, path: Path) -> None:
        """Writes the file that a run's last line is made of."""
        values = {
            "run_id": self.run_id,
            "model": {"name": self.name, "version": self.version, "alias": self.alias, "variant": self.variant},
            "metrics": dict(self.metrics),
            "pruned": {
                "metrics": dict(self.pruned_metrics),
                "latency_ratio": self.latency_ratio,
                "size_ratio": self.size_ratio,
            },
            "floor": {"metrics": dict(self.floor_metrics), "difference": self._difference()},
            "leaks": dict(self.leaks),
            "dropped": self.dropped,
            "decision": self.verdict.decision,
            "reason": self.verdict.reason,
            "repeated": self.repeated,
            "forgotten": [asdict(row) for row in self.forgotten],
            NOTES: plain(self.notes),
            **self.verdict.plain(),
        }
        write_json(path, _FORMAT.stamp(values))

    def _difference(self) -> dict[str, Any] | None:
        found = self.floor_difference
        return {name: getattr(found, name) for name in ("measure", "gain", "low", "high", "p_value")} if found else None


def read_outcome(path: Path) -> dict[str, Any]:
    """Reads the file as plain values.

    Raises:
        InputError: A later version of Darkroom wrote the file.
    """
    return _FORMAT.upgrade(read_json(path), path)


def identifiers(path: str) -> tuple[str, str, str]:
    """What the file names: the model, its version and the run, as the output parameters of Kubeflow's task."""
    values = read_outcome(Path(path))
    return values["model"]["name"], str(values["model"]["version"]), values["run_id"]
