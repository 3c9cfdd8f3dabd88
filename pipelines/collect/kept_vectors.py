"""Vectors, scans and what is known of files that no kept run needs: shards of the store none of whose images a kept run has embedded.

And decoded images that no kept run trains on.
"""

import time
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa

from darkroom import manifest
from darkroom.embeddings import ENLARGED, FILE, Embeddings
from darkroom.file_store import COPIES, PART_S
from darkroom.file_store import KEPT_AS as FILES
from darkroom.pixel_store import KEPT_AS as PIXELS
from darkroom.pixel_store import kept_folders, key_of
from darkroom.scans import KEPT_AS
from darkroom.system.errors import InputError
from darkroom.vector_store import kept_origins, shard_names

EXAMPLES = "examples"  # the output of `augment`


def unneeded_shards(store: Path, folders: Iterable[Path]) -> list[Path]:
    """The shards that may be removed; a shard stays as long as one of its images is needed, of copies as long as what parts have drawn.

    Args:
        store: The folder of all kept vectors and scans.
        folders: Steps' folders of the runs that are kept; what `embed` wrote there says which images they need, of which origin.

    Returns:
        Paths; none where what a run needs can't be read.
    """
    shards = sorted(store.glob("*/*.arrow"))
    needed: dict[str, set[str]] = defaultdict(set)
    if not shards:
        return []
    enlarged = [origin.key for origin in kept_origins(store) if origin.layer == ENLARGED]
    for folder in folders:
        for path in folder.glob(f"*/{FILE}"):
            try:
                made = Embeddings(path.parent)
            except (pa.ArrowException, OSError, ValueError, InputError):
                return []
            for kind in (made.origin.key, *enlarged, KEPT_AS, FILES):
                needed[kind].update(made.names)
    return [path for path in shards if (_is_old(path) if path.parent.name == COPIES else needed[path.parent.name].isdisjoint(_names(path)))]


def unneeded_pixels(store: Path, folders: Iterable[Path]) -> list[Path]:
    """The folders of decoded images that may be removed: those whose images are not just the ones that a kept run learns from.

    Args:
        store: The folder of all kept vectors, scans and pixels.
        folders: Steps' folders of the runs that are kept; what `augment` wrote there says which images they learn from.

    Returns:
        Paths; none where what a run learns from can't be read.
    """
    kept, needed = kept_folders(store), set[str]()
    for path in (folder / EXAMPLES for folder in folders) if kept else ():
        try:
            if path.is_file():
                needed.add(key_of(list(dict.fromkeys(manifest.read(path).learnt_from().column("image_id")))))
        except (pa.ArrowException, OSError, ValueError, InputError):
            return []
    return [path for path in kept if path.parent.name != PIXELS or path.name.partition("-")[0] not in needed]


def _names(path: Path) -> list[str]:
    """The images in a shard; none where it is damaged."""
    try:
        return shard_names(path)
    except (pa.ArrowException, OSError):
        return []


def _is_old(path: Path) -> bool:
    """Whether a file is older than parts become."""
    return path.exists() and path.stat().st_mtime < time.time() - PART_S
