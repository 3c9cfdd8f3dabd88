"""Delivering what earlier runs could not tell MLflow, by hand: `darkroom sync`."""

import os
from pathlib import Path
from typing import Any

from components import outbox
from components.tracking import end_dead_runs
from pipelines.places import OUTBOX


def sync() -> tuple[dict[str, Any], list[str]]:
    """Delivers everything that waits of processes that are gone.

    Returns:
        `delivered` (entries by run), `waiting` and `refused` (a file, its number of entries and why each); and the same in
        sentences for a person.
    """
    folder = Path(os.environ.get(outbox.FOLDER) or OUTBOX)
    result = outbox.deliver_left(folder)
    if result.sent and not result.waiting:
        end_dead_runs()
    plain = {
        "delivered": dict(result.sent),
        "waiting": [{"file": path, "entries": number, "why": result.why[path]} for path, number in result.waiting.items()],
        "refused": [{"file": path, "entries": len(why), "why": why[-1]} for path, why in result.refused.items()],
    }
    return plain, result.notes() or [f"nothing waits in {folder}/"]
