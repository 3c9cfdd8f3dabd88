"""The cache of steps that runs share: each entry names the folders of the steps whose outputs answer."""

from collections.abc import Mapping
from pathlib import Path

from darkroom.system.files import read_json, remove
from pipelines.paths import ROOT

CACHE = ROOT / "cache"


def entries() -> dict[Path, set[Path]]:
    """The cache's entries, and the steps' folders that each points to."""
    return {path: entry_folders(path) for path in sorted(CACHE.glob("*.json"))}


def forget_elsewhere() -> int:
    """Removes the entries that point out of this project, as after it was moved or copied; returns how many these were."""
    here = ROOT.absolute()
    gone = [path for path, folders in entries().items() if not all(folder.is_relative_to(here) for folder in folders)]
    for path in gone:
        remove(path)
    return len(gone)


def entry_folders(entry: Path) -> set[Path]:
    """The folders of the outputs that an entry points to; none where it can't be read."""
    try:
        outputs = read_json(entry)
    except (OSError, ValueError):
        return set()
    return {Path(output["uri"]).parent for output in outputs.values() if isinstance(output, Mapping) and output.get("uri")}
