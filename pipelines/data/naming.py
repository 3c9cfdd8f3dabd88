"""Which data a person means: a path, a run, a data version, or a git revision."""

import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from darkroom.registry.lookup import matching_runs
from darkroom.system.errors import InputError
from darkroom.tracking.tags import DVC_MD5
from darkroom.versions.addresses import is_address
from darkroom.versions.git_history import data_history, record_at
from pipelines.data.snapshot import Reader, Snapshot

_VERSION = re.compile(r"[0-9a-f]{4,32}(\.dir)?")
FORMS = "a folder, a run (its id, `last`, NAME@champion), a data version, or a git revision"


def absolute_name(text: str) -> str:
    """A name as a person typed it; what is a path is named from the root, because a command works in the project."""
    return str(Path(text).absolute()) if text and not is_address(text) and Path(text).exists() else text


def find_snapshot(name: str, source: Path, reader: Reader) -> Snapshot:
    """Reads the data that a name means; a path that is there is taken before all else.

    Args:
        name: See `FORMS`.
        source: Whose `.dvc` file a git revision means, such as `data`.
        reader: Reads it.

    Raises:
        InputError: Nothing, or more than one thing, is meant, or it can't be had.
    """
    if is_address(name) or (name and Path(name).exists()):
        return reader.of_source(name, Path(name))
    meanings: dict[str, Callable[[], Snapshot]] = {}
    for run_id in matching_runs(name, [run.run_id for run in reader.runs]):
        run = next(run for run in reader.runs if run.run_id == run_id)
        meanings[f"run {run_id[:8]}"] = lambda run=run: reader.of_run(name, run)  # type: ignore[misc]
    for version in _versions(name, source, reader):
        meanings[f"data version {version[:12]}"] = lambda version=version: reader.of_version(name, version, name)  # type: ignore[misc]
    if name != "last" and (record := record_at(source, name)):
        meanings[f"commit {record.commit[:12]}"] = (
            lambda record=record: reader.of_version(  # type: ignore[misc]
                name, record.md5, f"{name} (commit {record.commit[:12]})"
            )
        )
    if len(meanings) != 1:
        found = f"{len(meanings)} things ({', '.join(sorted(meanings))})" if meanings else "no data"
        raise InputError(f"{name!r} means {found}: give {FORMS} in which {source}.dvc stands")
    return next(iter(meanings.values()))()


def _versions(name: str, source: Path, reader: Reader) -> list[str]:
    """The known data versions that begin so."""
    if not _VERSION.fullmatch(name):
        return []
    known = {run.data_version for run in reader.runs} | {run.tags.get(DVC_MD5, "") for run in reader.runs}
    with suppress(InputError):  # there is no git history
        known |= {record.md5 for record in data_history(source)}
    return sorted(version for version in known if version and version.startswith(name))
