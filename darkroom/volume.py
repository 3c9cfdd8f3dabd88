"""Packed images on a volume that steps share: the artifact is a folder with one small file that points there.

Where `DARKROOM_VOLUME` names no volume, the artifact holds the images itself. On the volume a folder is named by its
content, so equal images stand there once, and an artifact from a cache points at what it always pointed at.
"""

import os
import time
import uuid
from pathlib import Path

from darkroom.system.errors import InputError
from darkroom.system.files import read_json, remove, write_json
from darkroom.tracking.tags import VOLUME

POINTER = "elsewhere.json"
_IMAGES = "images"
_ABANDONED_S = 7 * 86_400


def draft_of(folder: Path) -> Path:
    """Where images that belong to an artifact are written: in its folder, or beside the others on the volume."""
    root = os.environ.get(VOLUME, "")
    if not root:
        folder.mkdir(parents=True, exist_ok=True)
        return folder
    draft = Path(root) / _IMAGES / f".{uuid.uuid4().hex}.part"
    try:
        draft.mkdir(parents=True)
    except OSError as error:
        raise InputError(f"the volume at {root} can't be written ({error.strerror}): mend its access rights, or take it away") from None
    for left in draft.parent.glob(".*.part"):
        if left.stat().st_mtime < time.time() - _ABANDONED_S:  # by a step that was killed
            remove(left)
    return draft


def settle(draft: Path, folder: Path, name: str) -> None:
    """Gives written images their name; an artifact whose images are on the volume points there.

    Args:
        draft: What `draft_of(folder)` returned.
        folder: The artifact's folder.
        name: Hash of the content.
    """
    if draft == folder:
        return
    place = draft.with_name(name)
    try:
        draft.rename(place)
    except OSError:
        if not place.is_dir():
            raise
        remove(draft)  # equal content is there already
    write_json(folder / POINTER, {"folder": f"{_IMAGES}/{name}"})


def discard(draft: Path, folder: Path) -> None:
    """Removes unfinished images from the volume; what is beside the artifact is its maker's to remove."""
    if draft != folder:
        remove(draft)


def place_of(folder: Path) -> Path:
    """Where an artifact's images are.

    Raises:
        InputError: They are on a volume that is not mounted, or are gone from it.
    """
    pointer = folder / POINTER
    if not pointer.is_file():
        return folder
    target, root = str(read_json(pointer)["folder"]), os.environ.get(VOLUME, "")
    if not root:
        raise InputError(f"the images are on a volume, in {target}, and none is mounted: say in {VOLUME} where it is")
    if not (Path(root) / target).is_dir():
        raise InputError(f"the images in {target} are gone from the volume at {root}: run once without the cache to write them again")
    return Path(root) / target
