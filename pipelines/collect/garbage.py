"""Garbage: what is under `runs/` and needed neither by a version with an alias nor by the cache or the last runs.

Kept complete are runs in progress, the last runs, failed runs that could still be resumed, and runs that made a version with
an alias; of older runs, the steps' folders that one of these took from the cache. An entry of the cache is removed together
with the folder that it points to. Logs and outcomes of all runs are kept: they are small. A run in progress records at once
what it takes from the cache (`used.json`); so entries are hidden first, and those that a run took in the meantime are restored
before anything is removed.
"""

import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from darkroom.named_weights import is_registered
from darkroom.registry import fetch
from darkroom.registry.starting_models import folder_of
from darkroom.system.files import read_json, remove
from darkroom.system.locks import is_locked
from darkroom.tracking.tags import PREVIOUS, SHA256
from pipelines import history, step_cache
from pipelines.collect.kept_vectors import unneeded_pixels, unneeded_shards
from pipelines.history import Record
from pipelines.params import STARTED
from pipelines.paths import ROOT, USED
from pipelines.sizes import size_of

UNFINISHED_DAYS = 14.0  # for so long a failed run can be resumed, and its checkpoints are kept
_STALE_S = 24 * 3600  # no process is still writing a draft that has not changed for so long
_GRACE_S = 1.0  # a run records a cache hit in `used.json` within milliseconds
_HIDDEN = ".hidden"


@dataclass
class Garbage:
    """What can be removed.

    Attributes:
        paths: Folders and files by kind: `steps`, `reports`, `cache`, `checkpoints`, `models`, `previous`, `data`, `vectors`,
            `pixels`, `drafts`.
        kept_runs: Runs that are kept complete.
    """

    paths: dict[str, list[Path]] = field(default_factory=dict)
    kept_runs: list[str] = field(default_factory=list)

    def bytes(self) -> dict[str, int]:
        """Bytes of each kind."""
        return {
            kind: sum(size_of(path) or size_of(path.with_name(path.name + _HIDDEN)) for path in paths) for kind, paths in self.paths.items()
        }


def collect(keep: int, days: float = UNFINISHED_DAYS, *, dry_run: bool = False) -> dict[str, Any]:
    """Removes the garbage.

    Args:
        keep: How many of the last runs of each experiment are kept complete.
        days: For how many days unfinished work is kept to be resumed.
        dry_run: Only lists what would be removed.

    Returns:
        `freed_bytes` in all and `bytes` and `number` by kind, `kept_runs`, and whether it was a `dry_run`.
    """
    for path in step_cache.CACHE.glob(f"*{_HIDDEN}"):  # an earlier collection was killed before it removed what it points to
        path.replace(path.with_suffix(""))
    known = history.runs()
    aliased = fetch.aliased_versions()
    kept = _runs_to_keep(known, {version.run_id for version in aliased}, keep, days)
    found = Garbage(kept_runs=sorted(kept))
    entries = step_cache.entries()
    if not dry_run:
        _hide(entries, kept)
        kept |= _locked_runs()  # runs that have started since may use the entries that were not hidden yet
    needed = _folders_in_use(kept, entries)
    folders = _embedded(kept, needed)
    found.paths = {
        **_results_to_remove(kept, needed),
        "cache": [path for path, folders in entries.items() if not folders or not folders <= needed],
        "checkpoints": [path for path in _files_of("checkpoints") if _old(path, days * 86_400) and not is_locked(path)],
        "models": _unreferenced("models", {version.tags.get(SHA256, "") for version in aliased} | _starting_models(known, kept)),
        "previous": _unreferenced("previous", {f"{run.tags.get(PREVIOUS, '')}.parquet" for run in known if run.run_id in kept}),
        "data": _unreferenced("data", {run.data_version for run in known if run.run_id in kept}),
        "vectors": [path for path in unneeded_shards(ROOT / "vectors", folders) if _old(path, _STALE_S)],
        "pixels": [path for path in unneeded_pixels(ROOT / "vectors", folders) if _old(path, _STALE_S)],
        "drafts": [path for path in _drafts() if _old(path, _STALE_S)],
    }
    sizes = found.bytes()
    if not dry_run:
        _remove(found, entries)
    return {
        "freed_bytes": sum(sizes.values()),
        "bytes": sizes,
        "number": {kind: len(paths) for kind, paths in found.paths.items()},
        "kept_runs": found.kept_runs,
        "dry_run": dry_run,
    }


def _runs_to_keep(known: Iterable[Record], aliased: set[str], keep: int, days: float) -> set[str]:
    """Ids of the runs that are kept complete."""
    kept, last = set(aliased), dict[str, int]()
    for run in known:  # newest first
        last[run.experiment] = last.get(run.experiment, 0) + 1
        folder = ROOT / run.run_id
        written = [path for path in (folder / "logs", folder / "artifacts") if path.exists()]
        resumable = run.status in ("failed", "killed") and not all(_old(path, days * 86_400) for path in written)
        if last[run.experiment] <= keep or run.status == "running" or resumable:
            kept.add(run.run_id)
    present = {folder.name for folder in _run_folders()}
    unknown = present - {run.run_id for run in known} - set(history.deleted_runs())  # of another store, which may still need them
    return kept | unknown | _locked_runs()


def _starting_models(known: Iterable[Record], kept: set[str]) -> set[str]:
    """Names of the folders of fetched models from whose weights the kept runs started."""
    named = {run.params.get(f"{step}.weights", "") for run in known if run.run_id in kept for step in STARTED}
    return {folder_of(weights) if is_registered(weights) else Path(weights).parent.name for weights in named}


def _locked_runs() -> set[str]:
    return {folder.name for folder in _run_folders() if is_locked(folder)}


def _hide(entries: Mapping[Path, set[Path]], kept: set[str]) -> None:
    """Hides the cache entries of runs that are not kept, so that no run in progress takes one from now on."""
    used = _keys_in_use(kept)
    not_kept = [path for path, folders in entries.items() if not all(_run_of(folder) in kept for folder in folders)]
    hidden = [path for path in not_kept if not _is_used(path, used)]
    for path in hidden:
        path.rename(path.with_name(path.name + _HIDDEN))
    if hidden:
        time.sleep(_GRACE_S)


def _folders_in_use(kept: set[str], entries: Mapping[Path, set[Path]]) -> set[Path]:
    """Steps' folders of the kept runs, and those that they took from the cache."""
    used = _keys_in_use(kept)
    taken = {folder for path, folders in entries.items() if _is_used(path, used) for folder in folders}
    return taken | {folder for folders in entries.values() for folder in folders if _run_of(folder) in kept}


def _embedded(kept: set[str], needed: set[Path]) -> set[Path]:
    """Steps' folders of the kept runs, whether the cache knows them or not, and those that they took from it."""
    return needed | {path.absolute() for folder in _run_folders() if folder.name in kept for path in folder.glob("artifacts/*/*")}


def _is_used(entry: Path, keys: set[str]) -> bool:
    return any(entry.name.startswith(key) for key in keys)


def _keys_in_use(kept: set[str]) -> set[str]:
    files = [ROOT / run / "artifacts" / USED for run in kept]
    return {key for path in files if path.exists() for key in read_json(path).values()}


def _results_to_remove(kept: set[str], needed: set[Path]) -> dict[str, list[Path]]:
    """Steps' folders and reports of the runs that are not kept."""
    old = [folder for folder in _run_folders() if folder.name not in kept]
    folders = [path for folder in old for path in folder.glob("artifacts/*/*")]
    return {
        "steps": [path for path in folders if path.absolute() not in needed],
        "reports": [path for folder in old for path in [folder / "report.html"] if path.exists()],
    }


def _remove(found: Garbage, entries: Mapping[Path, set[Path]]) -> None:
    unused = set(found.paths["cache"])
    for path in entries:
        hidden = path.with_name(path.name + _HIDDEN)
        if path in unused:
            remove(hidden)
            remove(path)
        elif hidden.exists():
            hidden.replace(path)
    for kind in ("steps", "reports", "checkpoints", "models", "previous", "data", "vectors", "pixels", "drafts"):
        for path in found.paths[kind]:
            renamed = path.with_name(f".{path.name}.{os.getpid()}.gone")  # no other process sees it half removed
            path.rename(renamed)
            remove(renamed)


def _run_folders() -> list[Path]:
    return [path for path in sorted(ROOT.glob("*")) if (path / "artifacts").is_dir() or (path / "logs").is_dir()]


def _run_of(folder: Path) -> str:
    """The run whose artifacts a step's folder belongs to: `runs/<run>/artifacts/<pipeline>/<step>`."""
    return folder.parents[2].name if len(folder.parents) > 3 and folder.is_relative_to(ROOT.absolute()) else ""


def _files_of(name: str) -> list[Path]:
    return [path for path in sorted((ROOT / name).glob("*")) if not path.name.startswith(".")]


def _unreferenced(name: str, referenced: set[str]) -> list[Path]:
    return [path for path in _files_of(name) if path.name not in referenced and _old(path, 600)]


def _drafts() -> list[Path]:
    return [path for pattern in (".*.part", ".*.gone", ".kfp_cache_*.tmp") for path in ROOT.rglob(pattern)]


def _old(path: Path, seconds: float) -> bool:
    """Whether a file, or all that is in a folder, was last written to more than so many seconds ago."""
    newest = max((entry.lstat().st_mtime for entry in [path, *path.rglob("*")] if not entry.name.startswith(".nfs")), default=0.0)
    return time.time() - newest > seconds
