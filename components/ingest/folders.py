"""Labels from class folders: the class is the folder below the root, or below a split's folder."""

import unicodedata
from collections import defaultdict

from components.ingest.listing import Listed, Listing, has_image_suffix, some
from components.ingest.sources import SPLIT_FOLDERS, Source
from darkroom.system.errors import InputError


def from_folders(source: Source) -> Listing:
    """Lists the files in class folders; whether a file is an image is seen when it is read.

    A folder called `train`, `val`, `valid`, `validation` or `test` is a split where class folders lie in it, and a class
    like any other where files lie directly in it.

    Raises:
        InputError: There are no class folders, or files lie beside the class folders of a split.
    """
    if not source.sizes:
        raise InputError(f"{source.name} is empty (no image in it): put each class's images into a folder named after the class")
    splits = _splits(list(source.sizes))
    files, strays = [], []
    for path in source.sizes:
        top, *inner = path.split("/")
        if top in splits and len(inner) > 1:
            files.append(Listed(path, (_label(inner[0]),), given_split=SPLIT_FOLDERS[top.lower()]))
        elif inner and not (top.lower() in SPLIT_FOLDERS and splits):
            files.append(Listed(path, (_label(top),)))
        else:
            strays.append(path)
    pictures = [path for path in strays if has_image_suffix(path)]
    _refuse_strays(source, files, pictures)
    notes = (f"{len(pictures)} image(s) beside the class folders are ignored: {some(pictures)}",) if pictures else ()
    return Listing(files, num_ignored=len(strays), notes=notes)


def _splits(paths: list[str]) -> set[str]:
    """Top folders named after a split that have folders of images in them."""
    return {top for path in paths if (top := path.partition("/")[0]).lower() in SPLIT_FOLDERS and path.count("/") > 1}


def _refuse_strays(source: Source, files: list[Listed], pictures: list[str]) -> None:
    if not files and pictures:
        raise InputError(
            f"{source.name} holds {len(pictures)} image(s) ({some(pictures)}) but no class folders: put each class's images into a "
            "folder named after the class, or add a table labels.csv with the columns filename and label"
        )
    inside = defaultdict(list)
    for path in pictures:
        if "/" in path:
            inside[path.partition("/")[0]].append(path)
    for top, paths in inside.items():
        raise InputError(
            f"{top}/ in {source.name} is a split, but {len(paths)} image(s) lie in it without a class folder ({some(paths)}): "
            "put them into class folders, or take them out"
        )


def _label(folder: str) -> str:
    return unicodedata.normalize("NFC", folder)
