"""Answers of a model, for the command line."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from darkroom.model import Predictor, labels_of
from darkroom.pixels import UnreadableError, pixels
from darkroom.registry import fetch
from darkroom.system.errors import InputError


def predict_files(model: str, paths: Sequence[Path]) -> list[dict[str, Any]]:
    """Labels and probabilities of image files.

    Args:
        model: A bundle's folder, `name@alias`, `name/version`, or a run's id.
        paths: Image files, in any format that Pillow reads.

    Returns:
        A dictionary an image, in their order: `image`, `labels` (one, or any number for multi-label), `probabilities`
        by class.

    Raises:
        InputError: A file is missing or no image, or there is no such model.
    """
    files = [_read(path) for path in paths]
    predictor = Predictor(fetch.fetch_bundle(model, Path("runs") / "models"))
    card = predictor.card
    answers = []
    for path, data in zip(paths, files, strict=True):
        try:
            picture = pixels(data, card.side_px)
        except UnreadableError as error:
            raise InputError(f"{path} can't be read as an image: {error}") from None
        probabilities = predictor.probabilities(picture[None])
        chosen = labels_of(card, probabilities)[0]
        indices = chosen.nonzero()[0] if card.task == "multilabel" else [int(chosen)]
        named = {name: round(float(value), 6) for name, value in zip(card.classes, probabilities[0], strict=True)}
        answers.append({"image": str(path), "labels": [card.classes[index] for index in indices], "probabilities": named})
    return answers


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} can't be read: {error.strerror}") from None
