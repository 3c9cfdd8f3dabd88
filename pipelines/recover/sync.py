"""Delivering to MLflow what steps left for the run's process, and by hand what no run could: `darkroom sync`."""

import os
from pathlib import Path
from typing import Any

from darkroom.tracking import outbox
from darkroom.tracking.tags import OUTBOX_FOLDER
from pipelines.paths import OUTBOX
from pipelines.recover.recover import end_dead


def sync() -> tuple[dict[str, Any], list[str]]:
    """Delivers everything that waits of processes that are gone.

    Returns:
        `delivered` (entries by run), `waiting` and `refused` (a file, its number of entries and why each); and the same in
        sentences for a person.
    """
    folder = Path(os.environ.get(OUTBOX_FOLDER) or OUTBOX)
    result = outbox.deliver_left(folder)
    lives = "the process that they are of lives, and delivers them itself"
    notes = result.notes() + [f"{number} entries wait in {path}: {lives}" for path, number in result.living.items()]
    if result.sent and not result.pending:
        end_dead(notes.append)
    plain = {
        "delivered": dict(result.sent),
        "waiting": [
            {"file": path, "entries": number, "why": result.why.get(path, lives)}
            for path, number in (*result.pending.items(), *result.living.items())
        ],
        "refused": [{"file": path, "entries": len(why), "why": why[-1]} for path, why in result.refused.items()],
    }
    return plain, notes or [f"nothing waits in {folder}/"]
