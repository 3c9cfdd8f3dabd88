"""Lists the files in class folders: the class is the folder below the root, or below the folder of a split."""

import unicodedata
from collections import defaultdict

from components.ingest.listing import Listed, Listing, first_few, is_picture_name
from components.ingest.sources import SPLIT_FOLDERS, Source
from darkroom.system.errors import InputError


def list_folders(source: Source) -> Listing:
    """Lists the files in class folders; whether a file is an image is found when it is read.

    A folder called `train`, `val`, `valid`, `validation` or `test` is a split if it holds class folders, and a class if it
    holds files.

    Raises:
        InputError: There are no class folders, or files lie beside the class folders of a split.
    """
    if not source.sizes:
        raise InputError(f"{source.name} is empty (no image in it): put each class's images into a folder named after the class")
    splits = _splits(list(source.sizes))
    files, unlabelled = [], []
    for path in source.sizes:
        top, *inner = path.split("/")
        if top in splits and len(inner) > 1:
            files.append(Listed(path, (_label(inner[0]),), given_split=SPLIT_FOLDERS[top.lower()]))
        elif inner and not (top.lower() in SPLIT_FOLDERS and splits):
            files.append(Listed(path, (_label(top),)))
        else:
            unlabelled.append(path)
    pictures = [path for path in unlabelled if is_picture_name(path)]
    _refuse_unlabelled(source, files, pictures)
    notes = (f"{len(pictures)} image(s) beside the class folders are ignored: {first_few(pictures)}",) if pictures else ()
    return Listing(files, num_ignored=len(unlabelled), notes=notes)


def _splits(paths: list[str]) -> set[str]:
    """Top folders named after a split that have folders of images in them."""
    return {top for path in paths if (top := path.partition("/")[0]).lower() in SPLIT_FOLDERS and path.count("/") > 1}


def _refuse_unlabelled(source: Source, files: list[Listed], pictures: list[str]) -> None:
    if not files and pictures:
        raise InputError(
            f"{source.name} holds {len(pictures)} image(s) ({first_few(pictures)}) but no class folders: put each class's images into a "
            "folder named after the class, or add a table labels.csv with the columns filename and label"
        )
    inside = defaultdict(list)
    for path in pictures:
        if "/" in path:
            inside[path.partition("/")[0]].append(path)
    for top, paths in inside.items():
        raise InputError(
            f"{top}/ in {source.name} is a split, but {len(paths)} image(s) lie in it without a class folder ({first_few(paths)}): "
            "put them into class folders, or take them out"
        )


def _label(folder: str) -> str:
    return unicodedata.normalize("NFC", folder)
