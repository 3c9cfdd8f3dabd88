"""The history: runs that were tracked, read back from MLflow: what they were given, and what came of it."""

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from darkroom.outcome import Variant
from darkroom.registry.fetch import EVALUATION_KEPT
from darkroom.registry.lookup import PIPELINE_RUN, matching_run
from darkroom.system.config import KEPT
from darkroom.system.errors import InputError
from darkroom.system.files import read_json
from darkroom.system.renamed import Sections, with_current_names
from darkroom.system.yaml_file import Section
from darkroom.tracking.client import client
from darkroom.tracking.log import as_measure
from darkroom.tracking.runs import SETTINGS
from darkroom.tracking.search import DELETED, experiment_names, newest_run, search_runs, tag_is
from darkroom.tracking.tags import DATA_VERSION, MODEL_NAME, MODEL_VERSION, PARENT, STEP, TRIAL, VARIANT

_SLACK = timedelta(minutes=5)  # so far clocks of different machines may differ


@dataclass(frozen=True)
class Record:
    """A run as MLflow knows it.

    Attributes:
        run_id: Its id.
        name: What a person tells it by.
        experiment: The experiment's name.
        status: `running`, `finished`, `failed` or `killed`.
        started: When, in UTC.
        ended: When, or none.
        params: Settings as text, by `step.name`.
        metrics: Last values by name.
        tags: All tags.
        source: Where its data came from.
    """

    run_id: str
    name: str
    experiment: str
    status: str
    started: datetime
    ended: datetime | None
    params: Mapping[str, str]
    metrics: Mapping[str, float]
    tags: Mapping[str, str]
    source: str

    @property
    def data_version(self) -> str:
        """Hash of its data."""
        return self.tags.get(DATA_VERSION, "")

    @property
    def model(self) -> str:
        """The version that it ended with, as `name/3`; empty where it ended with none."""
        return f"{self.tags[MODEL_NAME]}/{self.tags[MODEL_VERSION]}" if MODEL_VERSION in self.tags else ""

    @property
    def seconds(self) -> float | None:
        """How long it took; none where it is under way, or where the clock was set back meanwhile."""
        return (self.ended - self.started).total_seconds() if self.ended and self.ended >= self.started else None


def runs(experiment: str = "", data_version: str = "") -> list[Record]:
    """All runs of the pipeline, newest first.

    Args:
        experiment: The name of one experiment, or all.
        data_version: Hash of the data that they were given, or any.

    Raises:
        InputError: There is no such experiment.
    """
    names = experiment_names()
    if experiment and experiment not in names.values():
        known = ", ".join(sorted(names.values()))
        raise InputError(f"there is no experiment {experiment!r}: there are {known}")
    wanted = [identity for identity, name in names.items() if experiment in ("", name)]
    condition = tag_is(DATA_VERSION, data_version) if data_version else PIPELINE_RUN
    found = [_record(run, names[run.info.experiment_id]) for run in search_runs(condition, wanted)]
    return sorted(found, key=lambda record: record.started, reverse=True)


def newest(experiment: str) -> Record | None:
    """The newest run of an experiment, or nothing where there is none."""
    made = client().get_experiment_by_name(experiment)
    found = newest_run(PIPELINE_RUN, [made.experiment_id]) if made else None
    return _record(found, experiment) if found else None


def ahead(now: datetime) -> Record | None:
    """The run that started last, where it did so in the future: the clock was set back since, or another machine's goes wrong.

    Args:
        now: The time, in UTC.
    """
    last = newest_run(PIPELINE_RUN)
    return get(last.info.run_id) if last and _time(last.info.start_time) > now + _SLACK else None


def get(run_id: str) -> Record:
    """A run by its whole id."""
    run = client().get_run(run_id)
    return _record(run, str(client().get_experiment(run.info.experiment_id).name))


def deleted_runs() -> list[str]:
    """Ids of the runs that were deleted in MLflow and can still be restored there."""
    return [str(run.info.run_id) for run in search_runs(PIPELINE_RUN, view=DELETED)]


def find(name: str) -> Record:
    """One run.

    Args:
        name: A run's id or the beginning of one, `last`, or the model that it ended with: `name@alias` or `name/version`.

    Raises:
        InputError: No run, or more than one, is meant.
    """
    known = runs()
    run_id = matching_run(name, [run.run_id for run in known])
    return next(run for run in known if run.run_id == run_id)


def settings(record: Record) -> Sections:
    """A run's settings as they were given to it, under their names of now, a section a step.

    Raises:
        InputError: A later version of Darkroom started the run.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = kept(record, SETTINGS, Path(folder))
        return with_current_names(KEPT.upgrade(read_json(path), path) if path else logged_settings(record))


def logged_settings(record: Record) -> Sections:
    """The settings from the run's parameters alone, which are enough for a run from before they were kept as a file."""
    sections: dict[str, Section] = {}
    for name, text in record.params.items():
        step, _, setting = name.partition(".")
        sections.setdefault(step, Section()).lay_over(setting, text)
    return {**sections}


def attempts(record: Record) -> list[Record]:
    """The children of a run, one each time that a step was begun, oldest first; trials of a search are none."""
    found = search_runs(tag_is(PARENT, record.run_id), [_experiment_id(record)])
    children = [run for run in found if TRIAL not in run.data.tags]
    return sorted((_record(run, record.experiment) for run in children), key=lambda child: child.started)


def steps(record: Record) -> dict[str, Record]:
    """The children of a run by the step's name; of a step that ran twice the one that finished, whatever the clock said then."""
    children = sorted(attempts(record), key=lambda child: child.status == "finished")
    return {child.tags.get(STEP, child.name): child for child in children}


def evaluation(record: Record, variant: Variant, into: Path) -> Path | None:
    """Fetches what a run's evaluation said of one of its two models, or nothing where it has none.

    Args:
        record: The run.
        variant: Which model.
        into: An empty folder.
    """
    registered = record.tags.get(VARIANT, "full")
    return kept(record, EVALUATION_KEPT if registered == variant else f"{EVALUATION_KEPT}_{variant}", into)


def kept(record: Record, artifact: str, into: Path) -> Path | None:
    """Fetches a file or folder that a run keeps, or nothing where it keeps no such thing."""
    store, (folder, _, name) = client(), artifact.rpartition("/")
    if not any(Path(entry.path).name == name for entry in store.list_artifacts(record.run_id, folder or None)):
        return None
    return Path(store.download_artifacts(record.run_id, artifact, str(into)))


def _experiment_id(record: Record) -> str:
    return str(client().get_run(record.run_id).info.experiment_id)


def _record(run: Any, experiment: str) -> Record:
    inputs = [used.dataset for used in run.inputs.dataset_inputs] if run.inputs else []
    return Record(
        run_id=run.info.run_id,
        name=run.info.run_name or "",
        experiment=experiment,
        status=run.info.status.lower(),
        started=_time(run.info.start_time),
        ended=_time(run.info.end_time) if run.info.end_time and run.info.status != "RUNNING" else None,
        params=dict(run.data.params),
        metrics={as_measure(name): value for name, value in run.data.metrics.items()},
        tags=dict(run.data.tags),
        source=json.loads(inputs[0].source).get("uri", "") if inputs else "",
    )


def _time(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
