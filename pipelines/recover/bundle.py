"""The bundle that a failed run leaves: error, settings, environment and the end of its logs in one file; no secrets."""

import json
import os
import platform
import shutil
import traceback
import zipfile
from collections.abc import Mapping
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import psutil

from darkroom.system.files import whole
from darkroom.system.secrets import redact
from darkroom.tracking import outbox
from darkroom.tracking.tags import CHECKPOINTS, IMAGE_NAME, VECTORS
from darkroom.versions.code import code_tags
from darkroom.versions.environment import environment_tags

BUNDLE = "failure.zip"
KEPT_IN_RUN = "failure"  # folder of the run's artifacts, whose files MLflow's page shows
VARIABLES = (
    "LANG", "LC_ALL", "TZ", "TMPDIR", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "CUDA_VISIBLE_DEVICES", "PYTHONHASHSEED",
    "PYTHONUNBUFFERED", "MLFLOW_TRACKING_URI", "MLFLOW_RUN_ID", IMAGE_NAME, CHECKPOINTS, VECTORS,
)  # fmt: skip
_TRACEBACK = "Traceback (most recent call last)"
_END = 200  # lines of each log


class KilledError(Exception):
    """A run's process was gone before the run had ended.

    Attributes:
        step: In which step; empty where it was in none, or is not known.
    """

    def __init__(self, step: str) -> None:
        where = f" in {step}" if step else ""
        super().__init__(f"the run was killed{where}: by hand, by the system for want of memory, or with the machine")
        self.step = step


def write_bundle(folder: Path, facts: Mapping[str, Any], params: Mapping[str, Any], error: BaseException) -> Path:
    """Writes the bundle beside a run.

    Args:
        folder: The run's folder, with its `logs/`.
        facts: What is known of the run: its id, experiment, data.
        params: Its settings.
        error: What ended it; `step` and `log` are read where it has them.

    Returns:
        The file: a zip of text files.
    """
    logs = {path.stem: _end_of(path) for path in sorted(folder.glob("logs/*.log"))}
    step = str(getattr(error, "step", ""))
    files = {
        "error.json": _json({**facts, "step": step, "kind": type(error).__name__, "error": str(error)}),
        "traceback.txt": _traceback("" if isinstance(error, KilledError) else logs.get(step, ""), error),
        "settings.json": _json(params),
        "environment.json": _json(_environment(folder, params)),
        **{f"logs/{name}.log": text for name, text in logs.items()},
    }
    target = folder / BUNDLE
    with whole(target) as draft, zipfile.ZipFile(draft, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(name, redact(text))
    return target


def _end_of(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").split("\n")
    left_out = [f"({len(lines) - _END} lines before)"] if len(lines) > _END else []
    return "\n".join(left_out + lines[-_END:])


def _traceback(log: str, error: BaseException) -> str:
    """The step's last traceback as its log has it, or else that of the run's own process."""
    _, found, after = log.rpartition(_TRACEBACK)
    return f"{found}{after}" if found else "".join(traceback.format_exception(error))


def _environment(folder: Path, params: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **environment_tags(),
        **code_tags(params),
        "platform": platform.platform(),
        "variables": {name: os.environ[name] for name in VARIABLES if name in os.environ},
        "packages": dict(sorted((found.name, found.version) for found in distributions())),
        "memory_bytes": {"total": psutil.virtual_memory().total, "available": psutil.virtual_memory().available},
        "disk_free_bytes": shutil.disk_usage(folder).free,
    }


def _json(values: Any) -> str:
    return json.dumps(values, indent=2, sort_keys=True, ensure_ascii=False, default=str) + "\n"


def send_bundle(box: outbox.Outbox, run_id: str, bundle: Path) -> None:
    """Keeps a bundle with a run in MLflow, now or as soon as it answers."""
    box.send({"kind": "bundle", "run": run_id, "parent": run_id, "path": str(bundle.absolute()), "folder": KEPT_IN_RUN})
