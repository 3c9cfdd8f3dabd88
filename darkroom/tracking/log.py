"""The log of a run in MLflow: settings, measures, curves, files, pictures and tags, by the run's id."""

import json
import re
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from darkroom.system.errors import InputError
from darkroom.system.secrets import redact
from darkroom.tracking.client import client, experiment_id, shown
from darkroom.tracking.tags import ERROR

Params = Mapping[str, Mapping[str, Any]]

_BATCH = 100  # MLflow's limit of parameters and tags a request
_GROUP = re.compile(r"^(train|validation|pruned|floor|best(?=_(train|validation)_))_")


@dataclass(frozen=True)
class RunFacts:
    """What a run says of itself.

    Attributes:
        status: MLflow's: `RUNNING`, `FINISHED`, `FAILED`, `KILLED`.
        started: Seconds since 1970.
        params: Settings as texts, see `as_texts`.
        tags: All its tags.
    """

    status: str
    started: float
    params: Mapping[str, str]
    tags: Mapping[str, str]


def run_facts(run_id: str) -> RunFacts | None:
    """What a run says of itself, or nothing where there is no such run any more."""
    from mlflow.exceptions import MlflowException

    try:
        run = client().get_run(run_id)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return None
    return RunFacts(str(run.info.status), run.info.start_time / 1000, dict(run.data.params), dict(run.data.tags))


def as_texts(params: Params) -> dict[str, str]:
    """Settings as MLflow has them: texts by `step.name`, at most 6,000 characters each."""
    flat = {f"{step}.{name}": value for step, section in params.items() for name, value in section.items()}
    return {name: as_text(value)[:6000] for name, value in flat.items()}


def log_params(run_id: str, params: Params) -> None:
    """Logs settings, see `as_texts`."""
    log_texts(run_id, as_texts(params))


def log_texts(run_id: str, texts: Mapping[str, str]) -> None:
    """Logs parameters that are texts already."""
    from mlflow.entities import Param

    entries = [Param(name, text) for name, text in texts.items()]
    store = client()
    for start in range(0, len(entries), _BATCH):
        store.log_batch(run_id, params=entries[start : start + _BATCH])


def as_text(value: Any) -> str:
    """A setting as MLflow keeps it."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)


def as_metric(name: str) -> str:
    """A measure's name in MLflow, whose page puts `validation/loss` and its like into a section `validation`.

    The inverse is `as_measure`.
    """
    return _GROUP.sub(r"\1/", name)


def as_measure(metric: str) -> str:
    """A measure's name here, from that in MLflow."""
    return metric.replace("/", "_")


def log_measures(run_id: str, measures: Mapping[str, float], step: int = 0) -> None:
    """Logs finite numbers to a run.

    Args:
        run_id: Any run.
        measures: Values by name, see `as_metric`.
        step: Place on the curve, such as the epoch.
    """
    log_curves(run_id, [(step, measures)])


def log_curves(run_id: str, points: list[tuple[int, Mapping[str, float]]], time_ms: int = 0) -> None:
    """Logs whole curves to a run in few requests.

    Args:
        run_id: Any run.
        points: Place on the curve (the epoch), and values by name, see `as_metric`.
        time_ms: When they were measured, in milliseconds since 1970; now where it is 0. The same again adds nothing.
    """
    from mlflow.entities import Metric

    now = time_ms or int(time.time() * 1000)
    metrics = [Metric(as_metric(name), float(value), now, step) for step, measures in points for name, value in measures.items()]
    store = client()
    for start in range(0, len(metrics), 1000):
        store.log_batch(run_id, metrics=metrics[start : start + 1000])


def log_files(run_id: str, folder: Path) -> None:
    """Keeps everything in a folder with a run, under the same names."""
    client().log_artifacts(run_id, str(folder))


def log_values(run_id: str, name: str, values: Any) -> None:
    """Keeps plain values with a run as a JSON file of this name."""
    client().log_text(run_id, json.dumps(values, indent=2, sort_keys=True, ensure_ascii=False) + "\n", name)


def log_picture(run_id: str, path: Path, key: str) -> None:
    """Keeps a picture so that MLflow's page shows it among the run's images."""
    with Image.open(path) as picture:
        client().log_image(run_id, picture.convert("RGB"), key=key, step=0)


def set_run_tags(run_id: str, tags: Mapping[str, str]) -> None:
    """Adds tags to a run, or replaces their values."""
    from mlflow.entities import RunTag

    client().log_batch(run_id, tags=[RunTag(name, redact(value)[:8000]) for name, value in tags.items()])


def error_tags(error: str) -> dict[str, str]:
    """The tag that says why a run failed, without secrets; none where there is no error."""
    return {ERROR: redact(error)[:5000]} if error else {}


def probe_artifacts(experiment: str) -> str:
    """Writes a small file to the store of artifacts, reads it back and removes it, by way of a run that is deleted too.

    Args:
        experiment: The name of an experiment for such runs; made where it is missing.

    Returns:
        Where the file was.

    Raises:
        InputError: What was read is not what was written.
    """
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    store, text = client(), f"written by darkroom at {time.time()}"
    run = store.create_run(experiment_id(experiment), run_name="probe").info
    try:
        store.log_text(run.run_id, text, "probe.txt")
        with tempfile.TemporaryDirectory() as folder:
            read = Path(store.download_artifacts(run.run_id, "probe.txt", folder)).read_text(encoding="utf-8")
        if read != text:
            raise InputError(f"the store of artifacts at {shown(run.artifact_uri)} gave back something else than was written")
        get_artifact_repository(run.artifact_uri).delete_artifacts("probe.txt")  # type: ignore[no-untyped-call]
    finally:
        store.set_terminated(run.run_id)
        store.delete_run(run.run_id)
    return shown(run.artifact_uri)
