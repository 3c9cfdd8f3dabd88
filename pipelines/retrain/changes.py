"""What changed since the champion was trained: data by its content, settings and code by their tags."""

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.ingest.config import IngestConfig
from components.ingest.contents import read_contents
from darkroom import issues, manifest
from darkroom.registry.fetch import ISSUES_KEPT, SPLITS_KEPT, kept
from darkroom.registry.registry import Version
from darkroom.tracking.log import as_texts
from darkroom.tracking.tags import CODE
from darkroom.versions.addresses import is_address


@dataclass(frozen=True)
class DataChanges:
    """How data differs from what a version was trained and tested on, in images by content.

    Attributes:
        added: New images.
        removed: Images that are gone.
        relabelled: Images with other labels than before.
    """

    added: int
    removed: int
    relabelled: int

    def __str__(self) -> str:
        return f"{self.added} images added, {self.removed} removed, {self.relabelled} relabelled"


def data_changes(data: Path, ingest: Mapping[str, Any], champion: Version) -> DataChanges | None:
    """Compares data with what a version's run keeps of its own.

    Args:
        data: The source as it is now.
        ingest: Settings of `ingest`.
        champion: The version.

    Returns:
        The differences, or nothing where they can't be counted cheaply: the version's run keeps no table of its images, or
        the data would have to be fetched from elsewhere.

    Raises:
        InputError: The source can't be read.
    """
    before = None if is_address(data) else _images_of(champion)
    if before is None:
        return None
    labels, dropped = before
    now = read_contents(data, IngestConfig(**ingest))
    relabelled = sum(1 for name, old in labels.items() if name in now and now[name] != old)
    return DataChanges(len(now.keys() - labels.keys() - dropped), len((labels.keys() | dropped) - now.keys()), relabelled)


def changed_settings(before: Mapping[str, str], now: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Settings that are not what they were, as `step.name (old, now new)`; one that an earlier version of Darkroom did not know is none.

    Nor is one of a step that was and is switched off.

    Args:
        before: Settings of a run as MLflow has them.
        now: Settings, a section a step.
    """
    off = {step for step, section in now.items() if section.get("enabled") is False and before.get(f"{step}.enabled") == "false"}
    texts = as_texts({step: section for step, section in now.items() if step not in off})
    known = [(name, before[name], text) for name, text in texts.items() if name in before]
    return [f"{name} ({then!r}, now {text!r})" for name, then, text in known if then != text and _value(then) != _value(text)]


def _value(text: str) -> Any:
    """What a setting's text says: names within it may have been written in another order."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def changed_code(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """Steps whose code is not that of a run.

    Args:
        before: The run's tags.
        now: Code versions by step.
    """
    return [step for step, version in now.items() if before.get(CODE + step) != version]


def _images_of(version: Version) -> tuple[dict[str, frozenset[str]], set[str]] | None:
    """Labels by image, as they were delivered, and images that `clean` dropped."""
    with tempfile.TemporaryDirectory() as folder:
        splits, findings = (kept(version, artifact, Path(folder)) for artifact in (SPLITS_KEPT, ISSUES_KEPT))
        if splits is None:
            return None
        table = manifest.read(splits)
        found = issues.read(findings) if findings else None
    column = table.label_lists()
    labels = {name: frozenset(row) for name, row in zip(table.column("image_id"), column, strict=True)}
    if found is None:
        return labels, set()
    relabelled = set(found.loc[found["action"] == "relabelled", "image_id"].dropna())
    dropped = set(found.loc[found["action"] == "dropped", "image_id"].dropna())
    return {name: row for name, row in labels.items() if name not in relabelled}, dropped | relabelled
