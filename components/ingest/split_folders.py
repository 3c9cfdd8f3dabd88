"""Finds the folders that stand for splits: `train/` and `test/`, `Training/`, `seg_train/seg_train/`, or inside each class."""

import unicodedata
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from components.ingest.listing import first_few
from components.ingest.masks import is_mask_folder
from components.ingest.split_names import BESIDE, is_unclear, split_in, words_of
from darkroom.system.errors import InputError

Setting = Literal["auto", "splits", "classes"]


@dataclass(frozen=True)
class SplitFolders:
    """Which folders stand for splits.

    Attributes:
        outer: Splits by the folder that holds their class folders, with `/` at its end: `seg_train/seg_train/`.
        inner: Splits by the name of a folder inside of class folders.
        alone: Whether images outside of these folders are left out.
        notes: One sentence where there is something to say.
    """

    outer: Mapping[str, str] = field(default_factory=dict)
    inner: Mapping[str, str] = field(default_factory=dict)
    alone: bool = False
    notes: tuple[str, ...] = ()


def find_split_folders(name: str, folders: Mapping[str, int], setting: Setting) -> SplitFolders:
    """Finds the folders that stand for splits.

    Args:
        name: Of the source, for messages.
        folders: Those that images lie in, with `/` at their ends, and how many do.
        setting: `ingest.split_folders`.

    Raises:
        InputError: Folders may be splits or classes.
    """
    inside: dict[str, list[str]] = defaultdict(list)
    for folder in filter(None, folders):
        top, _, rest = folder.partition("/")
        inside[top].append(rest)
    named = {top: split for top in inside if (split := split_in(top))}
    if setting == "classes" or not inside:
        return SplitFolders()
    if not named:
        below = _inside_wrapper(name, inside, folders, setting) or _inside_classes(name, inside, setting)
        if setting == "auto" and not (below.outer or below.inner):
            _refuse_equal_folders(name, inside, folders)
        return below
    others = sorted(set(inside) - set(named))
    if setting == "auto":
        if _is_class(named, inside, others):
            return SplitFolders(notes=(f"the folder {next(iter(named))}/ is taken for a class, as {first_few(others)} are",))
        _refuse_unclear(name, named, inside, others)
    classes = {folder for top in named for folder in _several_folders(inside[top])}
    outer = {_class_root(top, split, inside[top], classes): split for top, split in named.items()}
    said = ", ".join(f"{folder} is {split}" for folder, split in sorted(outer.items()))
    left = setting == "splits" and bool(others)
    beside = f"; what lies in {first_few(others)} is {'left out' if left else 'in no split'}" if others else ""
    return SplitFolders(outer, alone=left, notes=(f"splits from folders: {said}{beside}",))


def _is_class(named: Mapping[str, str], inside: Mapping[str, list[str]], others: list[str]) -> bool:
    """Whether the one folder called train holds images itself, as other folders do: a class of vehicles, as no images are trained
    on without a class."""
    top = next(iter(named))
    return len(named) == 1 and bool(others) and named[top] == "train" and not any("/" in rest for rest in inside[top])


def _refuse_unclear(name: str, named: Mapping[str, str], inside: Mapping[str, list[str]], others: list[str]) -> None:
    """Refuses folders called by splits unless they hold class folders, which others beside them, if there are any, are called by."""
    flat = [top for top in named if not any("/" in rest for rest in inside[top])]
    unclear = [top for top in others if is_unclear(top)]
    words = first_few([f"{top}/" for top in sorted(named)], 6)
    if unclear and len(flat) < len(named):
        raise InputError(
            f"{unclear[0]}/ in {name} may be for validation or for testing (beside {words}): rename it to validation or test, or set "
            "ingest.split_folders to splits (what lies in it is left out) or to classes"
        )
    if not others and len(flat) == len(named):
        raise InputError(
            f"{words} in {name} hold images and no class folders, and may be classes or splits: set ingest.split_folders to classes, or "
            "put each class's images into a folder named after the class, or add a table of labels"
        )
    classes = {_plain(rest.split("/")[0]) for top, split in named.items() for rest in _below(split, inside[top], set()) if "/" in rest}
    if others and (flat or not classes <= {_plain(top) for top in others}):
        raise InputError(
            f"{words} in {name} may be classes or splits, beside {first_few(others)}: set ingest.split_folders to classes, or to splits "
            f"(then what lies in {first_few(others)} is left out)"
        )


def _refuse_equal_folders(name: str, inside: Mapping[str, list[str]], sizes: Mapping[str, int]) -> None:
    """Refuses folders that all hold the same folders, such as `site_a/cat`, `site_a/dog`, `site_b/cat`: either may be the classes."""
    inner = [frozenset(folder for rest in rests for folder, found, _ in [rest.partition("/")] if found) for rests in inside.values()]
    if len(inner) < 2 or len(set(inner)) > 1 or sum(any(map(str.isalpha, folder)) for folder in inner[0]) < 2:
        return
    outer = sorted(inside)
    likely = max(outer, key=lambda top: sum(sizes[f"{top}/{rest}"] for rest in inside[top]))
    masks = "".join(f"; or name {folder} in ingest.ignore, if masks lie in it" for folder in sorted(inner[0]) if is_mask_folder(folder))
    raise InputError(
        f"{first_few([f'{top}/' for top in outer])} in {name} hold the same folders ({first_few(sorted(inner[0]))}), and either may be the "
        f"classes: set ingest.split_folders to classes if the outer ones are, name one of them as the data, such as {name}/{likely}, "
        f"or rename them to train/ and test/ if they are splits{masks}"
    )


def _class_root(top: str, split: str, inner: list[str], classes: set[str]) -> str:
    """The folder that holds a split's class folders: it may lie in others of the same name, or in one called images."""
    rests = _below(split, inner, classes)
    return f"{top}/{inner[0][: len(inner[0]) - len(rests[0])]}"


def _below(split: str, inner: list[str], classes: set[str]) -> list[str]:
    """Paths below the folder that holds a split's class folders; it may hold images alone, which then have no class.

    Args:
        split: The split.
        inner: Paths below its outermost folder.
        classes: Names of folders that are classes beside others in some split.
    """
    while len(folders := {rest.rpartition("/")[0].partition("/")[0] for rest in inner}) == 1 and (folder := folders.pop()):
        if split_in(folder) != split and (folder in classes or not words_of(folder) or not words_of(folder) <= BESIDE):
            break
        inner = [rest.partition("/")[2] for rest in inner]
    return inner


def _several_folders(inner: list[str]) -> set[str]:
    """The folders that paths begin with, if there are several."""
    folders = {rest.partition("/")[0] for rest in inner if "/" in rest}
    return folders if len(folders) > 1 else set()


def _inside_wrapper(name: str, inside: Mapping[str, list[str]], sizes: Mapping[str, int], setting: Setting) -> SplitFolders | None:
    """Splits inside of one folder that holds all images, or of several in each other: `dataset/Training/cat/1.jpg`."""
    if len(inside) != 1:
        return None
    ((top, rests),) = inside.items()
    tops = {rest.partition("/")[0] for rest in rests if rest.count("/") > 1}
    if not any(map(split_in, tops)) and (len(tops) != 1 or not all(rest.startswith(f"{min(tops)}/") for rest in rests)):
        return None
    found = find_split_folders(f"{name}/{top}", {rest: sizes[f"{top}/{rest}"] for rest in rests}, setting)
    if not all(rest.startswith(tuple(found.outer)) for rest in rests):
        return None
    return replace(found, outer={f"{top}/{root}": split for root, split in found.outer.items()})


def _inside_classes(name: str, inside: Mapping[str, list[str]], setting: Setting) -> SplitFolders:
    """Splits inside of class folders: `cat/train/1.jpg`, in every class and for all of its images."""
    folders = {rest.partition("/")[0] if "/" in rest else "" for rests in inside.values() for rest in rests}
    splits = {folder: split_in(folder) for folder in folders}
    named = sorted(folder for folder, split in splits.items() if split)
    if len({splits[folder] for folder in named}) < 2:
        return SplitFolders()
    if others := sorted(folders - set(named)):
        if setting == "classes":
            return SplitFolders()
        where = first_few([f"{folder}/" if folder else "the class folder itself" for folder in others])
        raise InputError(
            f"class folders in {name} hold {first_few(named)}, which may be splits, and images beside these ({where}): move each into "
            "one of them, or set ingest.split_folders to classes, which draws the splits anew"
        )
    inner = {folder: split for folder, split in splits.items() if split}
    return SplitFolders(inner=inner, notes=(f"splits from the folders {first_few(sorted(inner), 6)} inside of the class folders",))


def _plain(folder: str) -> str:
    return unicodedata.normalize("NFC", folder).casefold()
