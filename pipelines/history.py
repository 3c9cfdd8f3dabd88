"""The history: runs that were tracked, read back from MLflow: what they were given, and what came of it."""

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

from darkroom.outcome import Variant
from darkroom.registry.fetch import EVALUATION_KEPT
from darkroom.registry.registry import aliases, versions
from darkroom.system.errors import InputError
from darkroom.system.files import read_json
from darkroom.tracking.client import client, pages
from darkroom.tracking.log import as_measure
from darkroom.tracking.runs import SETTINGS
from darkroom.tracking.tags import DATA_VERSION, MODEL_NAME, MODEL_VERSION, PARENT, STEP, VARIANT

_ACTIVE_ONLY, _DELETED_ONLY = 1, 2  # as MLflow numbers its views
_SLACK = timedelta(minutes=5)  # so far clocks of different machines may differ
_IS_PARENT = f"tags.`{DATA_VERSION}` LIKE '%'"


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
    names = {found.experiment_id: str(found.name) for found in pages(client().search_experiments)}
    if experiment and experiment not in names.values():
        known = ", ".join(sorted(names.values()))
        raise InputError(f"there is no experiment {experiment!r}: there are {known}")
    wanted = [identity for identity, name in names.items() if experiment in ("", name)]
    query = f"tags.`{DATA_VERSION}` = '{data_version}'" if data_version else _IS_PARENT
    found = [_record(run, names[run.info.experiment_id]) for run in _search(wanted, query)]
    return sorted(found, key=lambda record: record.started, reverse=True)


def newest(experiment: str) -> Record | None:
    """The newest run of an experiment, or nothing where there is none."""
    store = client()
    made = store.get_experiment_by_name(experiment)
    found = store.search_runs([made.experiment_id], _IS_PARENT, max_results=1, order_by=["attributes.start_time DESC"]) if made else []
    return _record(found[0], experiment) if found else None


def ahead(now: datetime) -> Record | None:
    """The run that started last, where it did so in the future: the clock was set back since, or another machine's goes wrong.

    Args:
        now: The time, in UTC.
    """
    store = client()
    names = {found.experiment_id: str(found.name) for found in pages(store.search_experiments)}
    found = store.search_runs(list(names), _IS_PARENT, max_results=1, order_by=["attributes.start_time DESC"])
    records = [_record(run, names[run.info.experiment_id]) for run in found]
    return next((record for record in records if record.started > now + _SLACK), None)


def get(run_id: str) -> Record:
    """A run by its whole id."""
    run = client().get_run(run_id)
    return _record(run, str(client().get_experiment(run.info.experiment_id).name))


def deleted_runs() -> list[str]:
    """Ids of the runs that were deleted in MLflow and can still be restored there."""
    experiments = [found.experiment_id for found in pages(client().search_experiments)]
    return [str(run.info.run_id) for run in _search(experiments, _IS_PARENT, _DELETED_ONLY)]


def find(name: str) -> Record:
    """One run.

    Args:
        name: A run's id or the beginning of one, `last`, or the model that it ended with: `name@alias` or `name/version`.

    Raises:
        InputError: No run, or more than one, is meant.
    """
    known = runs()
    if not known:
        raise InputError("there is no run yet: start one with `darkroom run`")
    wanted = _run_of_model(name) if "@" in name or "/" in name else name
    found = known[:1] if name == "last" else [run for run in known if wanted and run.run_id.startswith(wanted)]
    if len(found) == 1:
        return found[0]
    newest = ", ".join(run.run_id[:8] for run in known[:5])
    raise InputError(f"{name!r} means {len(found)} runs: name one by its id, or `last`, or NAME@champion; the newest are {newest}")


def settings(record: Record) -> dict[str, dict[str, Any]]:
    """A run's settings as they were given to it, a section a step."""
    with tempfile.TemporaryDirectory() as place:
        if path := kept(record, SETTINGS, Path(place)):
            values: dict[str, dict[str, Any]] = read_json(path)
            return values
    sections: dict[str, dict[str, Any]] = {}
    for name, text in record.params.items():  # a run from before settings were kept as a file
        step, _, setting = name.partition(".")
        sections.setdefault(step, {})[setting] = yaml.safe_load(text) if text else ""
    return sections


def attempts(record: Record) -> list[Record]:
    """The children of a run, one each time that a step was begun, oldest first."""
    found = _search([_experiment_id(record)], f"tags.`{PARENT}` = '{record.run_id}'")
    return sorted((_record(run, record.experiment) for run in found), key=lambda child: child.started)


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


def _run_of_model(name: str) -> str:
    model, at, alias = name.partition("@")
    if not at:
        model, _, alias = name.rpartition("/")
    if not model:
        return ""
    number = aliases(model).get(alias) if at else int(alias) if alias.isdecimal() else None
    return next((version.run_id for version in versions(model) if version.number == number), "")


def _experiment_id(record: Record) -> str:
    return str(client().get_run(record.run_id).info.experiment_id)


def _search(experiments: list[str], query: str, view: int = _ACTIVE_ONLY) -> list[Any]:
    store = client()
    return pages(lambda page_token: store.search_runs(experiments, query, view, max_results=1000, page_token=page_token))


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
