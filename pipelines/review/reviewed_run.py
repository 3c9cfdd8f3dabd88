"""The run that is reviewed: its images, its findings, and the file that verdicts are written to."""

import hashlib
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from darkroom import issues, manifest
from darkroom.data_files import absolute, is_table, list_files
from darkroom.images import Images
from darkroom.manifest import Manifest
from darkroom.registry.fetch import ISSUES_KEPT, SPLITS_KEPT
from darkroom.system.errors import InputError
from darkroom.verdicts import FILE
from darkroom.versions.addresses import is_address
from pipelines import history
from pipelines.params import known_settings
from pipelines.step_outputs import step_output


@dataclass(frozen=True)
class ReviewedRun:
    """A run, and what a person needs to see of it.

    Attributes:
        run_id: Its id.
        source: Where its data is: a path, or an address.
        delivered: A row a delivered file; where that is not on this machine any more, a row a file that was kept.
        splits: The rows that were kept, with their split; none where the run has not come so far.
        findings: What `clean` found, see `darkroom.issues`.
        packed: The packed images, or none where they are not on this machine any more.
        embeddings: What `embed` made of the images, or none likewise.
        verdicts: `clean.verdicts`, as the run had it.
        ingest: Settings of `ingest`, likewise.
        expected: The labels that images of findings should have, by path.
    """

    run_id: str
    source: Path
    delivered: Manifest
    splits: Manifest | None
    findings: list[dict[str, Any]]
    packed: Path | None
    embeddings: Path | None
    verdicts: str = ""
    ingest: Mapping[str, Any] = field(default_factory=dict)
    expected: Mapping[str, list[str]] = field(default_factory=dict)

    @cached_property
    def _images(self) -> Images | None:
        return Images(self.packed) if self.packed else None

    @cached_property
    def _places(self) -> dict[str, str]:
        """Where the files of the source are, by `image_id`: for a run whose packed images are gone."""
        if is_address(self.source) or not (self.source.is_dir() or is_table(self.source)):
            return {}
        places = list_files(absolute(self.source)).places
        return {name: places[path] for path, name in self.paths if places.get(path)}

    @cached_property
    def paths(self) -> list[tuple[str, str]]:
        """Paths and ids of all images of the run."""
        pairs = zip(self.delivered.column("path"), self.delivered.column("image_id"), strict=True)
        found = [(one["path"], one["image_id"]) for one in self.findings]
        return [(path, name) for path, name in dict.fromkeys([*pairs, *found]) if name]

    def image(self, name: str) -> bytes | None:
        """The bytes of an image of the run, or nothing where they can't be had any more.

        Args:
            name: Its id.
        """
        if self._images is not None:
            return self._images[name] if name in self._images else None  # noqa: SIM401
        try:
            data = Path(self._places[name]).read_bytes()
        except (KeyError, OSError):
            return None
        return data if hashlib.sha256(data).hexdigest() == name else None


def read_run(name: str) -> ReviewedRun:
    """Reads what is reviewed of a run.

    Args:
        name: The run's id or the beginning of one, `last`, or the model that it ended with.

    Raises:
        InputError: There is no such run, or nothing to be seen of it.
    """
    record = history.find(name)
    with tempfile.TemporaryDirectory() as folder:
        found = step_output(record.run_id, "clean", "issues") or history.kept(record, ISSUES_KEPT, Path(folder))
        splits = step_output(record.run_id, "split", "splits") or history.kept(record, SPLITS_KEPT, Path(folder))
        delivered = step_output(record.run_id, "ingest", "manifest") or splits
        if found is None or delivered is None:
            raise InputError(f"run {record.run_id[:8]} has no findings to review: its step clean has not ended, or they were removed")
        settings = known_settings(history.settings(record))[0]
        run = ReviewedRun(
            record.run_id,
            Path(record.source),
            manifest.read(delivered),
            manifest.read(splits) if splits else None,
            issues.rows(found),
            step_output(record.run_id, "ingest", "images"),
            step_output(record.run_id, "embed", "embeddings"),
            str(settings.get("clean", {}).get("verdicts", "")),
            settings.get("ingest", {}),
            issues.expected_labels(found),
        )
    _require_images(run)
    return run


def _require_images(run: ReviewedRun) -> None:
    names = {name for _, name in run.paths}
    if names and run.packed is None and not any(map(run.image, list(names)[:20])):
        raise InputError(
            f"the images of run {run.run_id[:8]} are not on this machine (any more), nor as they were at {run.source}: run again with "
            "`darkroom run`, and review that run"
        )


def verdicts_file(run: ReviewedRun, clean: Mapping[str, Any]) -> Path:
    """The file that verdicts are written to: the one at `clean.verdicts`, now or in the run, or else `verdicts.csv` in the data's root.

    Args:
        run: The run.
        clean: Settings of `clean`, as they are now.

    Raises:
        InputError: Nothing can be written beside the data, and no file is named.
    """
    if named := clean.get("verdicts") or run.verdicts:
        return Path(str(named)).absolute()
    if root := _root(run):
        return root / FILE
    raise InputError(
        f"no verdict can be written beside the data of run {run.run_id[:8]}, which is no folder here ({run.source}): name a file for them "
        "in clean.verdicts, such as `verdicts: verdicts.csv` in params.yaml"
    )


def _root(run: ReviewedRun) -> Path | None:
    """The folder that the data is, or in which its table stands; none of an archive or an address."""
    if is_address(run.source):
        return None
    if run.source.is_dir():
        return run.source
    return run.source.parent if run.source.is_file() and is_table(run.source) else None
