"""Packed images on a volume that steps share: the artifact is a folder with one small file that points to the volume.

If `DARKROOM_VOLUME` names no volume, the artifact holds the images itself. A folder on the volume is named by its content,
so equal images are stored once, and the pointer of a cached artifact stays valid.
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


def draft_folder(folder: Path) -> Path:
    """The folder into which an artifact's images are written: the artifact itself, or a draft on the volume."""
    root = os.environ.get(VOLUME, "")
    if not root:
        folder.mkdir(parents=True, exist_ok=True)
        return folder
    draft = Path(root) / _IMAGES / f".{uuid.uuid4().hex}.part"
    try:
        draft.mkdir(parents=True)
    except OSError as error:
        raise InputError(f"the volume at {root} can't be written ({error.strerror}): correct its access rights, or mount none") from None
    for left in draft.parent.glob(".*.part"):
        if left.stat().st_mtime < time.time() - _ABANDONED_S:  # by a step that was killed
            remove(left)
    return draft


def publish(draft: Path, folder: Path, name: str) -> None:
    """Renames a draft on the volume to its final name, and writes the artifact's pointer to it.

    Args:
        draft: What `draft_folder(folder)` returned.
        folder: The artifact's folder.
        name: Hash of the content.
    """
    if draft == folder:
        return
    target = draft.with_name(name)
    try:
        draft.rename(target)
    except OSError:
        if not target.is_dir():
            raise
        remove(draft)  # an equal folder exists already
    write_json(folder / POINTER, {"folder": f"{_IMAGES}/{name}"})


def discard(draft: Path, folder: Path) -> None:
    """Removes an unfinished draft from the volume; a draft in the artifact is removed by the writer of the artifact."""
    if draft != folder:
        remove(draft)


def resolve_folder(folder: Path) -> Path:
    """The folder that holds an artifact's images.

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
