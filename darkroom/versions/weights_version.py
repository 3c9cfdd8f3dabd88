"""The version of weights that a setting names as a file or a folder: a cache knows the setting, and has to know the content as well."""

import hashlib
from pathlib import Path

from darkroom import pretrained_weights
from darkroom.model import CARD, WEIGHTS

_WORDS = ("", "auto", "DEFAULT")  # which name no file
_CARDS = (CARD, pretrained_weights.CARD)  # beside weights of Darkroom: they say how images were normalised


def weights_version(weights: str) -> str:
    """20 hexadecimal digits that are equal for equal weights only; empty where none are at this path.

    Args:
        weights: As `train.weights` and `embed.weights` name them: a file, the folder of a model, or a word for weights that are no file.
    """
    path = Path(weights)
    folder = path if path.is_dir() else path.parent
    used = [path if path.is_file() else folder / WEIGHTS, *(folder / name for name in _CARDS)]
    found = [file for file in used if file.is_file()] if weights not in _WORDS and path.exists() else []
    digest = hashlib.sha256()
    for file in found:
        with file.open("rb") as stream:
            digest.update(f"\0{file.suffix}\0".encode() + hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()[:20] if found else ""
