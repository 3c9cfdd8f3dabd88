"""What the report shows of a search: what it gained, its charts, and its trials."""

import tempfile
from pathlib import Path
from typing import Any

from components.report.pictures import figures
from darkroom.tuned import Tuned, read_tuned, setting_of


def search_section(tuned: Path | None) -> dict[str, Any] | None:
    """A search as the template reads it; nothing where none ran.

    Args:
        tuned: Its result, see `darkroom.tuned`; or none.
    """
    found = read_tuned(tuned) if tuned else Tuned()
    if not found.trials:
        return None
    from components.report import search_charts  # a report without a search needs no matplotlib

    names = sorted({name for trial in found.trials for name in trial.settings})
    with tempfile.TemporaryDirectory() as folder:
        search_charts.draw(Path(folder), found)
        pictures = figures(Path(folder))
    return {
        "monitor": found.monitor,
        "best_trial": found.best_trial,
        "best": {name: _text(value) for name, value in found.best.items()},
        "gain": found.gain,
        "num_images": found.num_images,
        "names": [setting_of(name) for name in names],
        "trials": [
            {**vars(trial), "score": _text(trial.score), "values": [_text(trial.settings.get(name)) for name in names]}
            for trial in found.in_order()
        ],
        "figures": pictures,
    }


def _text(value: Any) -> str:
    return "" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)
