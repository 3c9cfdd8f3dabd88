"""Where runs leave what they make."""

from pathlib import Path

ROOT = Path("runs")  # a folder a run, and what runs share: `cache/`, `checkpoints/`, `data/`, `locks/`, `models/`, `previous/`
OUTBOX = ROOT / "outbox"  # what waits for MLflow
USED = "used.json"  # in a run's artifacts: the beginnings of the cache's keys that answered, by step
