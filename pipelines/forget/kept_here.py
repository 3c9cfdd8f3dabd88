"""What runs keep on this machine: whole folders of steps, vectors, caches, checkpoints, pages and texts.

A step's folder that holds an image is removed whole: without the image its other files would not be what they say, and the next
run makes them anew, because the entries of the cache that point to it go too.
"""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from darkroom.file_store import PARTS
from darkroom.pixel_store import kept_folders, kept_names
from darkroom.system.errors import InputError
from darkroom.system.files import remove, whole
from darkroom.system.locks import is_locked
from darkroom.tracking.tags import VOLUME
from darkroom.vector_store import forget_images, shard_names
from pipelines import step_cache
from pipelines.forget.kept_tables import without_images
from pipelines.forget.removals import TEXTS, TOMBSTONE, Removal
from pipelines.forget.subject import Subject
from pipelines.forget.traces import all_files
from pipelines.paths import ROOT

_REPORT = "report-component*"  # a step whose output shows images without their ids
_MAX_TEXT_BYTES = 64 * 2**20
_FIRST_OF_TEXTS = 9  # the tabulator: smaller bytes stand in tables and weights


def check_idle() -> None:
    """Raises `InputError` where a run is in progress, which would go on with the images."""
    running = [folder.name[:8] for folder in sorted(ROOT.glob("*")) if (folder / "artifacts").is_dir() and is_locked(folder)]
    if running:
        raise InputError(f"run {running[0]} is in progress and may read the image", "wait until it has ended, or stop it")


def run_removals(subject: Subject) -> Iterator[Removal]:
    """Entries of the cache, reports and failures of the runs that had an image, and last, as they tell which, the steps' folders."""
    steps = [folder for folder in sorted(ROOT.glob("*/artifacts/*/*")) if folder.is_dir() and subject.traces.in_folder(folder)]
    gone = {folder.absolute() for folder in steps}
    for entry, folders in step_cache.entries().items():
        if folders & gone or subject.traces.in_file(entry):
            yield _removal("cache", entry)
    for run in sorted(path for path in ROOT.glob("*") if (path / "artifacts").is_dir()):
        if any(run in folder.parents for folder in steps) or _has_used(run, gone):
            if (run / "report.html").is_file():
                yield Removal("reports", str(run / "report.html"), lambda page=run / "report.html": bury(page))  # type: ignore[misc]
            if (run / "failure.zip").is_file():
                yield _removal("failures", run / "failure.zip")
            steps += sorted(run.glob(f"artifacts/*/{_REPORT}"))
    yield from (_removal("steps", folder) for folder in dict.fromkeys(steps))


def shared_removals(subject: Subject) -> Iterator[Removal]:
    """What runs share: vectors, earlier assignments, data that was laid out, checkpoints, packed images on a volume; and `build/`."""
    volume = [Path(os.environ[VOLUME])] if os.environ.get(VOLUME) else []
    for store in (ROOT / "vectors", *(root / "vectors" for root in volume)):
        yield from _vector_removals(store, subject)
    for folder in ("data", "checkpoints"):
        for path in sorted((ROOT / folder).glob("*")):
            if subject.traces.in_folder(path):
                yield _removal(folder, path)
    for path in sorted((ROOT / "models").glob("*")):
        if subject.traces.in_folder(path):
            yield _removal("models", path)
    for path in sorted(path for root in volume for path in (root / "images").glob("*")):
        if subject.traces.in_folder(path):
            yield _removal("volume", path)
    stages = [path for path in sorted(Path("build").glob("*")) if path.name == "report" or subject.traces.in_folder(path)]
    yield from (_removal("build", path) for path in stages if [path.name for path in stages] != ["report"])


def _vector_removals(store: Path, subject: Subject) -> Iterator[Removal]:
    """Vectors, scans and what is known of files in a store, and decoded images and parts with images beside them."""
    held = [path for path in sorted(store.glob("*/*.arrow")) if _shard_has(path, subject)]
    if held:
        yield Removal("vectors", f"{store}: {len(held)} shards", lambda: forget_images(store, subject.names))
    for path in kept_folders(store):
        if _pixels_have(path, subject):
            yield _removal("pixels", path)
    for path in sorted(store.glob(f"*/{PARTS}/*")):
        if subject.traces.in_folder(path):
            yield _removal("vectors", path)


def previous_removals(subject: Subject) -> tuple[list[Removal], dict[str, str]]:
    """Earlier assignments to splits, which are named by their content: written anew under another name; damaged ones go.

    Args:
        subject: The images.

    Returns:
        What is to be done, and the new names by the old ones.
    """
    removals, renamed = list[Removal](), dict[str, str]()
    for path in sorted((ROOT / "previous").glob("*.parquet")):
        if not subject.traces.in_file(path):
            continue
        try:
            table = without_images(path.read_bytes(), subject.contents, subject.blot)
        except (pa.ArrowException, OSError):
            removals.append(_removal("previous", path))
            continue
        if table is not None:
            renamed[path.stem] = hashlib.sha256(table).hexdigest()
            removals.append(Removal("previous", str(path), lambda path=path, table=table: _replace(path, table)))  # type: ignore[misc]
    return removals, renamed


def text_removals(subject: Subject) -> Iterator[Removal]:
    """Texts under `runs/` that name an image, such as logs, and pages in the project that show it."""
    for path in all_files(ROOT):
        if _is_text(path) and path.stat().st_size < _MAX_TEXT_BYTES and _names_it(path, subject):
            yield Removal("texts", str(path), lambda path=path: _blot(path, subject))  # type: ignore[misc]
    for path in all_files(Path()):
        if path.suffix == ".html" and ROOT not in path.parents and subject.traces.in_file(path):
            yield Removal("pages", str(path), lambda path=path: bury(path))  # type: ignore[misc]


def _is_text(path: Path) -> bool:
    """Whether a file is a text that may name an image: by its suffix, or by its first bytes in a file of a step without one."""
    if path.suffix or not path.is_file():
        return path.suffix in TEXTS
    with path.open("rb") as file:
        return not any(byte < _FIRST_OF_TEXTS for byte in file.read(4096))


def bury(page: Path) -> None:
    """Puts a short page that says why in the place of one that showed an image."""
    if page.is_file():
        with whole(page) as draft:
            draft.write_text(TOMBSTONE, encoding="utf-8")


def _blot(path: Path, subject: Subject) -> None:
    """Writes a text anew without what names the images."""
    if path.is_file():
        text = subject.blot(path.read_text(encoding="utf-8", errors="surrogateescape"))
        with whole(path) as draft:
            draft.write_text(text, encoding="utf-8", errors="surrogateescape")


def _names_it(path: Path, subject: Subject) -> bool:
    if subject.traces.in_file(path):
        return True
    text = path.read_text(encoding="utf-8", errors="surrogateescape")
    return subject.blot(text) != text


def _has_used(run: Path, gone: set[Path]) -> bool:
    """Whether a run took what is to go from the cache."""
    used = run / "artifacts" / "used.json"
    keys = used.read_text(encoding="utf-8") if used.is_file() else ""
    return any(entry.name[:12] in keys for entry, folders in step_cache.entries().items() if folders & gone)


def _shard_has(path: Path, subject: Subject) -> bool:
    try:
        return not set(shard_names(path)).isdisjoint(subject.contents)
    except (pa.ArrowException, OSError):
        return True  # damaged: it goes


def _pixels_have(path: Path, subject: Subject) -> bool:
    try:
        return not set(kept_names(path)).isdisjoint(subject.contents)
    except (pa.ArrowException, OSError):
        return True  # damaged: it goes


def _replace(path: Path, table: bytes) -> None:
    """Puts a table under the name of its content in the place of an earlier one."""
    with whole(path.with_name(f"{hashlib.sha256(table).hexdigest()}.parquet")) as draft:
        draft.write_bytes(table)
    remove(path)


def _removal(kind: str, path: Path) -> Removal:
    return Removal(kind, str(path), lambda: remove(path))
