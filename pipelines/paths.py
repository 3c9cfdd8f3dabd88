"""Where runs leave what they make."""

from pathlib import Path

from darkroom.registry.lookup import matching_run

ROOT = Path("runs")  # a folder a run, and what runs share: `cache/`, `checkpoints/`, `data/`, `locks/`, `models/`, `previous/`, `vectors/`
OUTBOX = ROOT / "outbox"  # what waits for MLflow
USED = "used.json"  # in a run's artifacts: the beginnings of the cache's keys that answered, by step


def run_folder(name: str) -> Path:
    """The folder of a run on this machine, which is found though MLflow does not answer.

    Args:
        name: The run, see `darkroom.registry.lookup.matching_runs`.

    Raises:
        InputError: No run, or more than one, is meant.
    """
    logs = sorted(ROOT.glob("*/logs"), key=lambda path: path.stat().st_ctime_ns, reverse=True)
    return ROOT / matching_run(name, [path.parent.name for path in logs])
