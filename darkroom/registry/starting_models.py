"""Registered models that settings start from: settled by number when a run is planned, fetched when a step needs them."""

import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path

from darkroom.named_weights import REGISTERED
from darkroom.registry.fetch import before_pruning, download_bundle, find_model, is_pruned
from darkroom.registry.registry import Version
from darkroom.system.errors import InputError
from darkroom.system.files import whole
from darkroom.tracking.tags import SHA256


def settled(weights: str) -> tuple[str, str]:
    """The version that a name means now, by its number; and the version of its content.

    Raises:
        InputError: There is no such model.
    """
    version = find_model(weights)
    return f"{REGISTERED}{version.name}/{version.number}", version.tags.get(SHA256, "")[:20]


def folder_of(weights: str) -> str:
    """What the folder is called in which a model is kept whose name is settled."""
    return "-".join(weights.removeprefix(REGISTERED).rsplit("/", 1))


def fetched(names: Iterable[str], cache: Path) -> dict[str, Path]:
    """The folders of models, whole, by their names: of a version whose network was pruned, the one before it was.

    Args:
        names: See `settled`.
        cache: Folder in which models are kept.

    Raises:
        InputError: There is no such model, its files can't be fetched, or of a pruned one the network before was not kept.
    """
    folders = {}
    for name in names:
        version = find_model(name)
        target = cache / f"{version.name}-{version.number}"
        if not target.exists():
            with whole(target) as draft, tempfile.TemporaryDirectory(dir=target.parent) as place:
                shutil.copytree(_whole_model(version, Path(place)), draft)
        folders[name] = target
    return folders


def _whole_model(version: Version, place: Path) -> Path:
    if not is_pruned(version):
        return download_bundle(version, place)
    if found := before_pruning(version, place):
        return found
    problem = f"the network of {version.name}/{version.number} was pruned, and the one before was not kept"
    raise InputError(f"{problem}: start from another version")
