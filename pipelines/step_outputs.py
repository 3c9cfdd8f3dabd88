"""Where a step of a run has left its outputs on this machine, also where the cache answered for it."""

from pathlib import Path

from darkroom.system.files import read_json
from pipelines.paths import ROOT, USED
from pipelines.step_cache import CACHE, entry_folders


def step_output(run_id: str, step: str, output: str) -> Path | None:
    """One output of a step.

    Args:
        run_id: The run.
        step: The step, as the task that has its name.
        output: The output's name, such as `issues`.

    Returns:
        Its file or folder, or nothing where it is not on this machine (any more).
    """
    artifacts = ROOT / run_id / "artifacts"
    folders = sorted(artifacts.glob(f"*/{step.replace('_', '-')}-component"), key=lambda path: path.stat().st_mtime_ns, reverse=True)
    used = artifacts / USED
    key = read_json(used).get(step, "") if used.exists() else ""
    if key:
        folders += [folder for entry in CACHE.glob(f"{key}*.json") for folder in entry_folders(entry)]
    return next((folder / output for folder in folders if (folder / output).exists()), None)
