"""The log of the data: its versions through git's history, with what they hold and which runs read them."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.ingest.config import IngestConfig
from components.ingest.contents import count_contents
from darkroom.system.errors import InputError
from darkroom.tracking.tags import DVC_MD5
from darkroom.versions.dvc_cache import linked
from darkroom.versions.git_history import DataRecord, data_history
from pipelines import history
from pipelines.history import Record


@dataclass(frozen=True)
class Entry:
    """A data version in the log.

    Attributes:
        record: What git has of it.
        num_images: Different images; none where that is not known.
        num_classes: Classes, likewise.
        counted: Where the counts come from: a run, or DVC's cache; or why they are not known.
        runs: Ids of the runs on this version, newest first.
    """

    record: DataRecord
    num_images: int | None
    num_classes: int | None
    counted: str
    runs: tuple[str, ...]

    def plain(self) -> dict[str, Any]:
        """The entry as JSON has it."""
        record = self.record
        return {
            "commit": record.commit, "when": record.when.isoformat() if record.when else "", "who": record.who, "subject": record.subject,
            "data_version": record.md5, "files": record.num_files, "bytes": record.num_bytes,
            "images": self.num_images, "classes": self.num_classes, "counted": self.counted, "runs": list(self.runs),
        }  # fmt: skip


def log_entries(source: Path, ingest: Mapping[str, Any]) -> list[Entry]:
    """The versions of a source, newest first.

    Args:
        source: Such as `data`, whose record is `data.dvc`.
        ingest: Settings of `ingest`, by which data that no run has read is counted.

    Raises:
        InputError: Git has no record of the source.
    """
    records, by_version = data_history(source), defaultdict[str, list[Record]](list)
    for run in history.runs():
        for version in {run.data_version, run.tags.get(DVC_MD5, run.data_version)}:
            by_version[version].append(run)
    return [_entry(record, by_version[record.md5], source, ingest) for record in records]


def _entry(record: DataRecord, runs: list[Record], source: Path, ingest: Mapping[str, Any]) -> Entry:
    known = _counts_of_runs(runs) or _counts_in_cache(record, source, ingest)
    return Entry(record, *known, tuple(run.run_id for run in runs))


def _counts_of_runs(runs: list[Record]) -> tuple[int | None, int | None, str] | None:
    """Images and classes as the newest run has counted them whose `ingest` ended well."""
    for run in runs:
        step = history.steps(run).get("ingest")
        if step and {"num_images", "num_classes"} <= step.metrics.keys():
            return int(step.metrics["num_images"]), int(step.metrics["num_classes"]), f"run {run.run_id[:8]}"
    return None


def _counts_in_cache(record: DataRecord, source: Path, ingest: Mapping[str, Any]) -> tuple[int | None, int | None, str]:
    with linked(record.md5, source.name, pull=False) as place:
        if place is None:
            revision = record.commit[:12] or "HEAD"
            return None, None, f"no run has read it, and DVC's cache lacks it: `git checkout {revision} -- {source}.dvc` and `dvc fetch`"
        try:
            return *count_contents(place, IngestConfig(**ingest)), "DVC's cache"
        except InputError as error:
            return None, None, f"can't be read: {error}".replace(str(place), str(source))
