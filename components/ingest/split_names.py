"""The names of splits, in one list for folders, tables, and the cells of a column."""

import re
import unicodedata
from functools import lru_cache

SPLIT_NAMES = {
    **dict.fromkeys(("train", "training", "trn", "trainset"), "train"),
    **dict.fromkeys(("val", "valid", "validate", "validation", "dev", "development", "valset"), "validation"),
    **dict.fromkeys(("test", "testing", "tst", "testset"), "test"),
}
UNLABELLED_NAMES = frozenset(("unlabeled", "unlabelled", "unannotated", "unsorted", "unsup"))  # as folders without classes are called
UNCLEAR_NAMES = frozenset(("eval", "evaluation", "holdout", "heldout", "unseen", "public", "private"))  # validation or test
BESIDE = {  # words that may stand beside a split's in the name of a folder or a table
    "seg", "image", "images", "img", "imgs", "picture", "pictures", "photo", "photos", "data", "dataset", "set", "split", "subset",
    "folder", "file", "files", "instances", "coco",
    "label", "labels", "labeled", "labelled", "annotation", "annotations", "metadata", "meta", "list", "df",
}  # fmt: skip


def split_of(word: str) -> str | None:
    """The split that a word means, in any case: `train`, `validation`, `test`, or none if it is not clearly one of them."""
    return SPLIT_NAMES.get(unicodedata.normalize("NFC", word).strip().casefold())


def split_in(name: str) -> str | None:
    """The split that the name of a folder or of a table says: `Training`, `seg_train`, `train_images`, `test2017`, `valLabels`.

    Args:
        name: The name, without the folders above it and without its ending.

    Returns:
        `train`, `validation` or `test`; none where the name holds no split's, several, or says something else as well.
    """
    if split := split_of(name):
        return split
    words = words_of(name)
    named = words & set(SPLIT_NAMES)
    return SPLIT_NAMES[min(named)] if len(named) == 1 and words - named <= BESIDE else None


def splits_among(name: str) -> set[str]:
    """The splits that the name of a shard says, whatever else it says: of `imagenet-val-000012` validation, of `trainval` none."""
    return {SPLIT_NAMES[word] for word in words_of(name) & set(SPLIT_NAMES)}


@lru_cache(4096)
def words_of(name: str) -> frozenset[str]:
    """The words that a name is made of, in lower case, without digits."""
    return frozenset(word.casefold() for word in re.split(r"[\W_\d]+|(?<=[a-z])(?=[A-Z])", name) if word)


def is_unlabelled(folder: str) -> bool:
    """Whether a folder is called as one of images without a class: `unlabeled`, `unlabelled_images`, CVAT's `no_label`."""
    words = words_of(folder)
    if words == {"no", "label"}:
        return True
    return bool(words & UNLABELLED_NAMES) and words - UNLABELLED_NAMES <= BESIDE


def is_unclear(word: str) -> bool:
    """Whether a word means images that are held out, but not whether for validation or for the test: `eval`, `hold-out`."""
    return re.sub(r"[\W_]", "", word).casefold() in UNCLEAR_NAMES
