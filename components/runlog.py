"""The log of a run in MLflow: settings, measures, curves, files, pictures and tags, by the run's id."""

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import Image

from components.store import client

Params = Mapping[str, Mapping[str, Any]]

_BATCH = 100  # MLflow's limit of parameters and tags a request


def log_params(run_id: str, params: Params) -> None:
    """Logs settings as `step.name`; at most 6,000 characters each."""
    from mlflow.entities import Param

    flat = {f"{step}.{name}": value for step, section in params.items() for name, value in section.items()}
    texts = {name: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False) for name, value in flat.items()}
    entries = [Param(name, text[:6000]) for name, text in texts.items()]
    store = client()
    for start in range(0, len(entries), _BATCH):
        store.log_batch(run_id, params=entries[start : start + _BATCH])


def log_measures(run_id: str, measures: Mapping[str, float], step: int = 0) -> None:
    """Logs finite numbers to a run.

    Args:
        run_id: Any run.
        measures: Values by name.
        step: Place on the curve, such as the epoch.
    """
    log_curves(run_id, [(step, measures)])


def log_curves(run_id: str, points: list[tuple[int, Mapping[str, float]]]) -> None:
    """Logs whole curves to a run in few requests.

    Args:
        run_id: Any run.
        points: Place on the curve (the epoch), and values by name.
    """
    from mlflow.entities import Metric

    now = int(time.time() * 1000)
    metrics = [Metric(name, float(value), now, step) for step, measures in points for name, value in measures.items()]
    store = client()
    for start in range(0, len(metrics), 1000):
        store.log_batch(run_id, metrics=metrics[start : start + 1000])


def log_files(run_id: str, folder: Path) -> None:
    """Keeps everything in a folder with a run, under the same names."""
    client().log_artifacts(run_id, str(folder))


def log_picture(run_id: str, path: Path, key: str) -> None:
    """Keeps a picture so that MLflow's page shows it among the run's images."""
    with Image.open(path) as picture:
        client().log_image(run_id, picture.convert("RGB"), key=key, step=0)


def set_run_tags(run_id: str, tags: Mapping[str, str]) -> None:
    """Adds tags to a run, or replaces their values."""
    from mlflow.entities import RunTag

    client().log_batch(run_id, tags=[RunTag(name, value[:8000]) for name, value in tags.items()])
