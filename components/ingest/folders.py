"""Lists the files in class folders: the class is the folder below the root, or below the folder of a split."""

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Mapping

from components.ingest.listing import Listed, Listing, first_few, is_picture_name, packed_archives
from components.ingest.sources import Source
from components.ingest.split_folders import Setting, SplitFolders, find_split_folders
from components.ingest.split_names import is_unlabelled
from darkroom.data_files import is_table
from darkroom.system.errors import InputError


def list_folders(source: Source, split_folders: Setting = "auto") -> Listing:
    """Lists the files in class folders; whether a file is an image is found when it is read.

    Args:
        source: The files.
        split_folders: What folders called train, test and the like are, see `find_split_folders`.

    Raises:
        InputError: There are no class folders, folders may be classes or splits, or files lie beside the class folders of a split.
    """
    if not source.sizes:
        raise InputError(f"{source.name} is empty (no image in it): put each class's images into a folder named after the class")
    others = [path for path in source.sizes if not is_table(path)]
    pictures = [path for path in others if is_picture_name(path) or "." not in path.rpartition("/")[2]]
    _refuse_archives(source, others, pictures)
    splits = find_split_folders(source.name, Counter(map(_folder, pictures or others)), split_folders)
    files, unlabelled = [], []
    facts: dict[str, tuple[tuple[str, ...], str | None] | None] = {}  # by folder, which many files share
    for path in source.sizes:
        folder = _folder(path)
        if folder not in facts:
            facts[folder] = _facts(folder, splits)
        if known := facts[folder]:
            files.append(Listed(path, known[0], None, known[1]))
        else:
            unlabelled.append(path)
    beside = [path for path in unlabelled if is_picture_name(path) and not is_table(path)]
    _refuse_unlabelled(source, files, beside, splits)
    _refuse_other_classes(source, {folder: known[0][0] for folder, known in facts.items() if known}, splits)
    if split_folders != "classes":
        _refuse_without_answer(source, files)
    notes = (f"{len(beside)} file(s) beside the class folders are ignored: {first_few(beside)}",) if beside else ()
    return Listing(files, num_ignored=len(unlabelled), notes=(*splits.notes, *notes))


def _folder(path: str) -> str:
    """The folder that a file lies in, with `/` at its end; empty for the root."""
    return path[: path.rfind("/") + 1]


def _facts(folder: str, splits: SplitFolders) -> tuple[tuple[str, ...], str | None] | None:
    """The class and the split of files in a folder, whose path ends with `/`; nothing where it is below no class folder."""
    for root, split in splits.outer.items():
        if folder.startswith(root):
            name, found, _ = folder.removeprefix(root).partition("/")
            return ((_label(name),), split) if found else None
    top, found, rest = folder.partition("/")
    if not found or splits.alone or any(root.startswith(f"{top}/") for root in splits.outer):
        return None
    return (_label(top),), splits.inner.get(rest.partition("/")[0])


def _refuse_archives(source: Source, others: list[str], pictures: list[str]) -> None:
    """Refuses archives without class folders beside them, as Hugging Face's `data/train.zip` and `data/test.zip`, or tars in a zip."""
    archives = packed_archives(pictures)
    if not archives:
        return
    inside = {path for path in others if "/" in path}.difference(archives)
    if not inside.isdisjoint(pictures) or len({path.rpartition("/")[0] for path in inside}) > 1:
        return  # images may have suffixes of their own
    what = f"{source.name} holds archives ({first_few(archives)}), which are not unpacked: "
    if source.root.is_dir():
        raise InputError(f"{what}name one as the data, or unpack each into a folder of its own name there")
    raise InputError(f"{what}unpack it, and name the folder as the data (tars of WebDataset's layout are read there as they are)")


def _refuse_unlabelled(source: Source, files: list[Listed], pictures: list[str], splits: SplitFolders) -> None:
    if not files and pictures and not splits.outer:
        raise InputError(
            f"{source.name} holds {len(pictures)} image(s) ({first_few(pictures)}) but no class folders: put each class's images into a "
            "folder named after the class, or add a table labels.csv with the columns filename and label"
        )
    labelled = {file.path.partition("/")[0] for file in files} if pictures else set()
    inside = defaultdict(list)
    for path in pictures:
        top, found, _ = path.partition("/")
        roots = [split for root, split in splits.outer.items() if root.startswith(f"{top}/")]
        is_to_predict = roots == ["test"] and labelled and top not in labelled
        if found and roots and not is_to_predict:
            inside[top].append(path)
    for top, paths in inside.items():
        raise InputError(
            f"{top}/ in {source.name} is a split, but {len(paths)} image(s) lie in it without a class folder ({first_few(paths)}): "
            f"put them into class folders, or name them, or {top}, in ingest.ignore to leave them out"
        )


def _refuse_other_classes(source: Source, labels: Mapping[str, str], splits: SplitFolders) -> None:
    """Refuses a split whose folders are all none of the training's classes, as in `test/unknown/1.jpg`; `labels` are those by folder."""
    classes = {root: {label for folder, label in labels.items() if folder.startswith(root)} for root in splits.outer}
    train = {label.casefold() for root, split in splits.outer.items() if split == "train" for label in classes[root]}
    for root, split in splits.outer.items():
        if split != "train" and len(train) > 1 and classes[root] and not {label.casefold() for label in classes[root]} & train:
            raise InputError(
                f"{root} in {source.name} holds {first_few(sorted(classes[root]))}, which are no classes of the training: name {root} in "
                "ingest.ignore to leave it out, or call the folders as the classes"
            )


def _refuse_without_answer(source: Source, files: list[Listed]) -> None:
    """Refuses a folder called unlabeled or the like: its images may have no class, or be one."""
    unlabelled = set(filter(is_unlabelled, {file.labels[0] for file in files}))
    found = {file.labels[0]: file.path for file in files if file.labels[0] in unlabelled and is_picture_name(file.path)}
    for label, path in found.items():
        raise InputError(
            f"{label!r} in {source.name} may be a class, or hold images without one ({path}): name {label} in ingest.ignore to leave it "
            "out, or set ingest.split_folders to classes to take it for a class"
        )


def _label(folder: str) -> str:
    return unicodedata.normalize("NFC", folder)
