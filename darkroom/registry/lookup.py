"""Which run a person means: by its id, the beginning of one, `last`, or the model that it ended with."""

from collections.abc import Sequence

from darkroom.registry.registry import named_version
from darkroom.system.errors import InputError
from darkroom.tracking.search import has_tag, search_runs
from darkroom.tracking.tags import DATA_VERSION

PIPELINE_RUN = has_tag(DATA_VERSION)  # a run of the pipeline, and not of one of its steps


def matching_runs(name: str, known: Sequence[str] | None = None) -> list[str]:
    """The ids of the runs that a name means.

    Args:
        name: A run's id or the beginning of one, `last`, or the model that it ended with: `name@alias` or `name/version`.
        known: Ids of the runs that can be meant, newest first; all that MLflow has where none are given.
    """
    known = [run.info.run_id for run in search_runs(PIPELINE_RUN)] if known is None else known
    if name == "last":
        return list(known[:1])
    if "@" in name or "/" in name:
        version = named_version(name)
        name = version.run_id if version else ""
    return [run_id for run_id in known if name and run_id.startswith(name)]


def matching_run(name: str, known: Sequence[str]) -> str:
    """The id of the one run that a name means, see `matching_runs`.

    Raises:
        InputError: No run, or more than one, is meant.
    """
    if not known:
        raise InputError("there is no run yet: start one with `darkroom run`")
    found = matching_runs(name, known)
    if len(found) != 1:
        newest = ", ".join(run_id[:8] for run_id in known[:5])
        raise InputError(f"{name!r} means {len(found)} runs: name one by its id, or `last`, or NAME@champion; the newest are {newest}")
    return found[0]
