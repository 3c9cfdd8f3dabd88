"""Masks beside the images that they were drawn for: `1_mask.png` beside `1.png`, or a folder `masks` beside `images`."""

import re
from functools import lru_cache

from components.ingest.listing import Listing, first_few, has_image_suffix

_WORD = r"(?:mask|segmentation|seg|annotation|annot|groundtruth|ground_truth|gt)s?"
_BESIDE = re.compile(rf"(.+?)[\s._-]+{_WORD}(?:[\s_-]*[0-9]+)?", re.IGNORECASE)


def mask_notes(listing: Listing) -> list[str]:
    """A sentence where files of a class are called as masks of others in it.

    Args:
        listing: The files with their labels.
    """
    places = [(file, *_folder_and_stem(file.path)) for file in listing.files if has_image_suffix(file.path)]
    called = [(file, stems) for file, folder, stem in places if (stems := _stems_of_masked(folder, stem))]
    pictures = {(file.labels, stem) for file, folder, stem in places if not is_mask_folder(folder)} if called else set()
    masks = [file.path for file, stems in called if any((file.labels, stem) in pictures for stem in stems)]
    if not masks:
        return []
    return [
        f"{len(masks):,} file(s) are called as masks of others, and taken for images of their class ({first_few(masks)}): if they are "
        "masks, ingest.ignore leaves them out, by names such as *_mask.* or masks"
    ]


def _stems_of_masked(folder: str, stem: str) -> list[str]:
    """What the picture may be called, without its ending, if a file in a folder is called as a mask of one."""
    stems = [found[1]] if (found := _BESIDE.fullmatch(stem)) else []
    return [*stems, stem] if is_mask_folder(folder) else stems


def _folder_and_stem(path: str) -> tuple[str, str]:
    """The name of the folder that a file lies in, and its own without its ending."""
    folder, _, name = path.rpartition("/")
    return folder.rpartition("/")[2], name.rpartition(".")[0]


@lru_cache(4096)
def is_mask_folder(name: str) -> bool:
    """Whether a folder is called as one of masks.

    Args:
        name: Its name, without the folders above it.
    """
    return bool(re.fullmatch(_WORD, name, re.IGNORECASE))
