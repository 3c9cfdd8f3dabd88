"""The answers that were most sure and wrong, as small pictures."""

from pathlib import Path
from typing import Any

import numpy as np

from darkroom.evaluation import Predictions
from darkroom.images import Images
from darkroom.metrics.measures import Floats, Ints
from darkroom.preview import preview
from darkroom.system.files import write_json

THUMBNAIL_PX = 256


def mistakes(folder: Path, predictions: Predictions, images: Images, num_mistakes: int) -> None:
    """Writes the worst mistakes as pictures, and `mistakes.json` with what they are.

    Args:
        folder: Where to.
        predictions: Answers on the test images.
        images: The files of these images.
        num_mistakes: How many at most.
    """
    folder.mkdir(parents=True)
    rows = worst(predictions)[:num_mistakes]
    write_json(
        folder / "mistakes.json",
        [_mistake(folder, predictions, images, number, row) for number, row in enumerate(rows)],
    )


def worst(predictions: Predictions) -> Ints:
    """Rows with a wrong answer, the surest first; equals in the order of the rows."""
    wrong = predictions.y_true != predictions.y_pred
    wrong = wrong.any(1) if wrong.ndim == 2 else wrong
    rows = np.flatnonzero(wrong)
    return rows[np.argsort(-_sureness(predictions)[rows], kind="stable")]


def _sureness(predictions: Predictions) -> Floats:
    """Probability `(N,)` of the wrong answer; for multi-label that of the surest wrong decision about a label."""
    y_score = predictions.y_score.astype(np.float64)
    if predictions.task != "multilabel":
        return y_score[np.arange(len(predictions)), predictions.y_pred]
    decided = np.where(predictions.y_pred == 1, y_score, 1 - y_score)
    surest: Floats = np.where(predictions.y_true != predictions.y_pred, decided, 0).max(1)
    return surest


def _mistake(folder: Path, predictions: Predictions, images: Images, number: int, row: np.int64) -> dict[str, Any]:
    name = save_thumbnail(folder, f"{number:03d}", images[predictions.image_ids[row]])
    only = slice(row, row + 1)
    return {
        "file": name,
        "image_id": predictions.image_ids[row],
        "path": predictions.paths[row],
        "truth": predictions.names(predictions.y_true[only])[0],
        "predicted": predictions.names(predictions.y_pred[only])[0],
        "probability": float(_sureness(predictions)[row]),
    }


def save_thumbnail(folder: Path, stem: str, data: bytes) -> str:
    """Writes a file's picture with at most 256 px a side, and gives the name of the new file."""
    picture = preview(data, THUMBNAIL_PX)
    name = f"{stem}.{'png' if picture.kind == 'png' else 'jpg'}"
    (folder / name).write_bytes(picture.data)
    return name
