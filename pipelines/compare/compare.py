"""Two runs: what differs between them, and how each measure differs."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from components import STEPS
from darkroom import manifest
from darkroom.comparison import Difference
from darkroom.evaluation import Predictions, read_metrics, read_predictions
from darkroom.metrics.intervals import MEASURES
from darkroom.metrics.paired_comparison import differences, obstacle, shared_answers
from darkroom.outcome import HEADLINE, Variant
from darkroom.registry.fetch import SPLITS_KEPT
from darkroom.tracking.tags import CODE, COMMIT, DIRTY, PREFIX
from darkroom.versions.environment import ENVIRONMENT
from pipelines import history
from pipelines.history import Record

SIGNIFICANCE = 0.05  # p-value from which on a change is within chance, as in `register.significance`
RATIOS = ("latency_ratio", "size_ratio")
_VARIANTS: tuple[tuple[Variant, str], ...] = (("full", ""), ("pruned", "pruned_"))
_COUNTS = (("clean", "num_kept"), ("clean", "num_dropped"), ("split", "num_train"), ("split", "num_validation"), ("split", "num_test"))

Pair = tuple[Any, Any]


@dataclass(frozen=True)
class Comparison:
    """What differed between two runs, each value as a pair.

    Attributes:
        before: The one run.
        after: The other.
        data: Version, source and counts where they differ; and how many images were added, removed and relabelled.
        changes: `added`, `removed` and `relabelled` images; empty where the data is the same, or not known.
        settings: Settings that differ.
        code: Commit, uncommitted changes, and the steps whose code differs.
        environment: What differs of Python, torch, locked packages, device and system.
        measures: A row a measure: `before` and `after` with their intervals, and the `change` with its own, where both
            have answered the same test images.
        note: Why there is no paired change; empty where there is.
        shared: Test images that both have answered.
    """

    before: Record
    after: Record
    data: Mapping[str, Pair]
    changes: Mapping[str, int]
    settings: Mapping[str, Pair]
    code: Mapping[str, Pair]
    environment: Mapping[str, Pair]
    measures: list[dict[str, Any]] = field(default_factory=list)
    note: str = ""
    shared: int = 0

    def as_json(self) -> dict[str, Any]:
        """The comparison in plain values."""
        names = ("data", "changes", "settings", "code", "environment", "measures", "note", "shared")
        runs = {"before": self.before.run_id, "after": self.after.run_id}
        return {**runs, **{name: _plain(getattr(self, name)) for name in names}}


def compare(before: Record, after: Record, only: str = "") -> Comparison:
    """Compares two runs, from what MLflow knows of them alone.

    Args:
        before: The run that the other is compared with.
        after: The other run. Where labels differ, those of the run that started later count for both.
        only: One measure, where no more is needed: then images are not counted either, and intervals are a little coarser.
    """
    measures, note, shared = _measures(before, after, only)
    counts = {} if only else _counts(before, after)
    return Comparison(
        before,
        after,
        data=_different({"version": _pair(before, after, "data_version"), "source": _pair(before, after, "source"), **counts}),
        changes=_changed_images(before, after) if before.data_version != after.data_version and not only else {},
        settings=_different({name: (before.params.get(name), after.params.get(name)) for name in sorted({*before.params, *after.params})}),
        code=_different(_code(before, after)),
        environment=_different({tag.removeprefix(PREFIX): _tags(before, after, tag) for tag in ENVIRONMENT}),
        measures=measures,
        note=note,
        shared=shared,
    )


def _code(before: Record, after: Record) -> dict[str, Pair]:
    versions = {step: (before.tags.get(CODE + step, ""), after.tags.get(CODE + step, "")) for step in STEPS}
    return {"commit": _tags(before, after, COMMIT), "uncommitted changes": _tags(before, after, DIRTY), **versions}


def _counts(before: Record, after: Record) -> dict[str, Pair]:
    sides = history.steps(before), history.steps(after)
    found = {name: [steps[step].metrics.get(name) if step in steps else None for steps in sides] for step, name in _COUNTS}
    return {name: (earlier, later) for name, (earlier, later) in found.items()}


def _changed_images(before: Record, after: Record) -> dict[str, int]:
    """How the images that were kept differ, by their content; nothing where a run kept no table of them."""
    earlier, later = _labels(before), _labels(after)
    if earlier is None or later is None:
        return {}
    relabelled = sum(earlier[name] != later[name] for name in earlier.keys() & later.keys())
    return {"added": len(later.keys() - earlier.keys()), "removed": len(earlier.keys() - later.keys()), "relabelled": relabelled}


def _labels(run: Record) -> dict[str, Any] | None:
    with tempfile.TemporaryDirectory() as temporary:
        path = history.kept(run, SPLITS_KEPT, Path(temporary))
        if path is None:
            return None
        table = manifest.read(path)
        return dict(zip(table.column("image_id"), table.column(table.label_column), strict=True))


def _measures(before: Record, after: Record, only: str) -> tuple[list[dict[str, Any]], str, int]:
    rows, note, shared = [], "", 0
    for variant, prefix in _VARIANTS:
        names = [name for name in HEADLINE if only in ("", prefix + name)]
        if not names:
            continue
        with tempfile.TemporaryDirectory() as temporary:
            folders = [history.evaluation(run, variant, _made(Path(temporary) / side)) for side, run in (("a", before), ("b", after))]
            limits = [read_metrics(folder)["intervals"] if folder else {} for folder in folders]
            answers = [read_predictions(folder) if folder else None for folder in folders]
        changes = dict[str, Difference]()
        if not (refused := _refusal(*answers)):
            earlier, later = (found for found in answers if found is not None)
            pair = shared_answers(later, earlier)
            if before.started > after.started:  # what people relabelled since counts for both
                earlier, later = shared_answers(earlier, later)
                pair = later, earlier
            compared, num_resamples = [name for name in names if name in MEASURES], 200 if only else 1000
            changes, shared = differences(*pair, compared, num_resamples=num_resamples, seed=0), len(pair[0])
        note = refused or note
        for name in names:
            values = before.metrics.get(prefix + name), after.metrics.get(prefix + name)
            if values != (None, None):
                rows.append(_row(prefix + name, values, [limit.get(name) for limit in limits], changes.get(name)))
    for name in RATIOS:
        if name in before.metrics or name in after.metrics:
            rows.append(_row(name, (before.metrics.get(name), after.metrics.get(name)), [None, None], None))
    return rows, note, shared


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def _row(name: str, values: Pair, limits: list[Any], change: Difference | None) -> dict[str, Any]:
    row: dict[str, Any] = {"measure": name}
    for side, value, limit in zip(("before", "after"), values, limits, strict=True):
        row[side] = {"value": value, **(limit or {})}
    if change:
        row["change"] = {
            "change": change.gain,
            "low": change.low,
            "high": change.high,
            "p_value": change.p_value,
            "verdict": "within chance" if change.p_value >= SIGNIFICANCE else "better" if change.gain > 0 else "worse",
        }
    return row


def _refusal(before: Predictions | None, after: Predictions | None) -> str:
    if before is None or after is None:
        return "a run without an evaluation can't be compared image by image"
    reason = obstacle(after, before, "the earlier run")
    return f"the later run can't be compared image by image: {reason}" if reason else ""


def _pair(before: Record, after: Record, name: str) -> Pair:
    return getattr(before, name), getattr(after, name)


def _tags(before: Record, after: Record, tag: str) -> Pair:
    return before.tags.get(tag), after.tags.get(tag)


def _different(pairs: Mapping[str, Pair]) -> dict[str, Pair]:
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: list(pair) if isinstance(pair, tuple) else pair for name, pair in value.items()}
    return value
