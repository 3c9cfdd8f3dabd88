"""The registry: what a run and a person fetch from it.

A version names the run that made it; that run keeps what a later run needs of it: `split/splits.parquet`,
`split/previous.parquet` (where the split continued an earlier one) and `evaluation/predictions.parquet`.
"""

import hashlib
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from darkroom.model import CARD
from darkroom.outcome import read_outcome
from darkroom.registry.lookup import matching_runs
from darkroom.registry.registry import Version, aliases, champion_or_newest, get_version, model_names, named_version, versions
from darkroom.registry.registry import safe_name as safe_name
from darkroom.system.errors import InputError
from darkroom.system.files import whole
from darkroom.system.secrets import redact
from darkroom.tracking.client import client, use_store
from darkroom.tracking.search import experiment_names, search_runs, tag_is
from darkroom.tracking.tags import (
    DATA_VERSION,
    ERROR,
    ERROR_KIND,
    KUBEFLOW_TAG,
    MODEL_NAME,
    MODEL_VERSION,
    PARENT,
    PREVIOUS,
    SHA256,
    STEP,
    VARIANT,
)

SPLITS_KEPT, PREVIOUS_KEPT, EVALUATION_KEPT = "split/splits.parquet", "split/previous.parquet", "evaluation"
OUTCOME_KEPT, REPORT_KEPT = "outcome.json", "report.html"
ISSUES_KEPT = "issues.parquet"
RUNS = "runs:/"  # how MLflow addresses what a run keeps
_NUM_LISTED = 20  # models in a message
_PLAIN = re.compile(r"[\w-][\w.-]*")  # a part of a path that leads nowhere else
_BUNDLE = "artifacts/bundle"  # where `darkroom.registry.package` puts the model's folder


def kept(version: Version, artifact: str, into: Path) -> Path | None:
    """Fetches a file or folder that a version's run keeps.

    Args:
        version: The version.
        artifact: Its path in the run's artifacts, such as `evaluation`.
        into: A folder; the artifact appears there under its path.

    Returns:
        Where it is, or nothing where the run keeps no such thing.
    """
    store = client()
    folder, _, name = artifact.rpartition("/")
    if not any(Path(entry.path).name == name for entry in store.list_artifacts(version.run_id, folder or None)):
        return None
    into.mkdir(parents=True, exist_ok=True)
    return Path(store.download_artifacts(version.run_id, artifact, str(into)))


def is_pruned(version: Version) -> bool:
    """Whether a version's network has lost channels, so that a training on other data had better start from the one before."""
    return version.tags.get(VARIANT) == "pruned"


def before_pruning(version: Version, into: Path) -> Path | None:
    """The folder of a pruned version's model as it was before, fetched into another folder; nothing where it was not kept."""
    return kept(version, "bundles/full", into)


def previous_assignment(name: str, data_version: str, into: Path) -> Path | None:
    """The earlier assignment to splits that a new run on this data continues.

    A data version that a version of the model was trained on keeps the assignment that it had then: the same one is
    continued (or none), so the run finds its steps in the cache, whichever version is champion now. Other data continues the
    assignment of the champion, or without one of the newest version.

    Args:
        name: The model's name.
        data_version: Hash of the data that is to be split.
        into: Folder in which the file is placed, named by its content.

    Returns:
        The table of splits, `<sha256>.parquet`, or nothing where there is none to continue.
    """
    found = _continued(name, data_version)
    return _fetch_table(*found, into) if found else None


def previous_reference(name: str, data_version: str) -> str:
    """The same assignment as an address that `fetch_artifact` takes, for steps on another machine; empty where there is none."""
    found = _continued(name, data_version)
    if found is None:
        return ""
    version, artifact = found
    folder, _, _ = artifact.rpartition("/")
    known = {entry.path for entry in client().list_artifacts(version.run_id, folder)}
    return f"{RUNS}{version.run_id}/{artifact}" if artifact in known else ""


def fetch_artifact(reference: str, into: Path) -> Path:
    """Fetches what a run keeps.

    Args:
        reference: `runs:/RUN_ID/PATH`.
        into: A folder.

    Raises:
        InputError: The run keeps no such thing, or the address leads out of what it keeps.
    """
    run_id, _, artifact = reference.removeprefix(RUNS).partition("/")
    if not _PLAIN.fullmatch(run_id) or not all(map(_PLAIN.fullmatch, artifact.split("/"))):
        raise InputError(f"{reference!r} names nothing that a run keeps: give it as {RUNS}RUN_ID/PATH, a path without `..`")
    from mlflow.exceptions import MlflowException

    try:
        return Path(client().download_artifacts(run_id, artifact, str(into)))
    except (MlflowException, OSError) as error:
        raise InputError(f"{reference} can't be fetched from MLflow: {' '.join(str(error).split())[:300]}") from None


def fetch_outcome(kubeflow_run: str, root: Path) -> dict[str, Any]:
    """What a run on Kubeflow ended with, by the id that it has there; its report is placed under `root`.

    Returns:
        The outcome (see `darkroom.outcome`) with `experiment` and `report`, or nothing where MLflow knows no such run.
    """
    store = client()
    names = experiment_names()
    for run in search_runs(tag_is(KUBEFLOW_TAG, kubeflow_run), names):
        if {OUTCOME_KEPT, REPORT_KEPT} <= {entry.path for entry in store.list_artifacts(run.info.run_id)}:
            folder = root / run.info.run_id
            folder.mkdir(parents=True, exist_ok=True)
            report = Path(store.download_artifacts(run.info.run_id, REPORT_KEPT, str(folder)))
            outcome = read_outcome(Path(store.download_artifacts(run.info.run_id, OUTCOME_KEPT, str(folder))))
            return {**outcome, "experiment": names[run.info.experiment_id], "report": str(report)}
    return {}


def aliased_versions() -> list[Version]:
    """The versions of all models that have an alias."""
    bearers = {name: set(aliases(name).values()) for name in model_names()}
    return [version for name, numbers in bearers.items() for version in versions(name) if version.number in numbers]


def fetch_bundle(reference: str, cache: Path) -> Path:
    """Finds a model by any of its names.

    Args:
        reference: A bundle's folder, `name@alias`, `name/version` (both also after `models:/`), `name` for its champion
            or, without one, its newest version, or a run that ended with a version: its id, the beginning of one, or `last`.
        cache: Folder in which fetched bundles are kept, named by their content.

    Returns:
        A bundle's folder, see `darkroom.model`.

    Raises:
        InputError: There is no such model.
    """
    return Path(reference) if is_bundle(reference) else fetch_version(find_model(reference), cache)


def is_bundle(reference: str) -> bool:
    """Whether a name is that of a bundle's folder; a folder of something else, such as the images, hides no model of its name."""
    return (Path(reference) / CARD).is_file()


def fetch_version(version: Version, cache: Path) -> Path:
    """A version's bundle, as `fetch_bundle` fetches it."""
    target = cache / (version.tags.get(SHA256) or f"{version.name}-{version.number}")
    if not target.exists():
        with whole(target) as draft, tempfile.TemporaryDirectory(dir=target.parent) as place:
            download_bundle(version, Path(place)).rename(draft)
    return target


def find_model(reference: str) -> Version:
    """The version that a name means, as `fetch_bundle` takes it.

    Raises:
        InputError: There is no such model.
    """
    use_store()
    version = _resolve(reference.removeprefix("models:/"))
    if version is None and reference and Path(reference).is_dir():
        raise InputError(f"{reference} is no model: the folder has no {CARD}, and {_known()}")
    if version is None:
        raise InputError(f"there is no model {reference!r}: {_known()}")
    return version


@dataclass(frozen=True)
class StepError:
    """How a step failed.

    Attributes:
        step: The step.
        kind: `input` for a mistake of the user's, else `internal`.
        message: The error.
    """

    step: str
    kind: str
    message: str


def fetch_error(kubeflow_run: str) -> StepError | None:
    """How a run on Kubeflow failed, as the step itself logged it to MLflow; nothing where it could not."""
    for parent in search_runs(tag_is(KUBEFLOW_TAG, kubeflow_run)):
        for child in search_runs(f"{tag_is(PARENT, parent.info.run_id)} AND attributes.status = 'FAILED'"):
            if child.data.tags.get(ERROR):
                return StepError(child.data.tags.get(STEP, ""), child.data.tags.get(ERROR_KIND, "internal"), child.data.tags[ERROR])
    return None


def _continued(name: str, data_version: str) -> tuple[Version, str] | None:
    """Which version's assignment is continued, and which of its two."""
    earlier = [version for version in versions(name) if version.tags.get(DATA_VERSION) == data_version]
    if earlier:
        first = earlier[-1]
        return None if first.tags.get(PREVIOUS, "none") == "none" else (first, PREVIOUS_KEPT)
    best = champion_or_newest(name)
    return (best, SPLITS_KEPT) if best else None


def download_bundle(version: Version, into: Path) -> Path:
    """Fetches a version's model folder into another folder, and says where it is.

    Raises:
        InputError: What MLflow kept of the model is not there any more, or can't be reached.
    """
    import mlflow
    from mlflow.exceptions import MlflowException

    uri = f"models:/{version.name}/{version.number}/{_BUNDLE}"
    try:
        return Path(mlflow.artifacts.download_artifacts(artifact_uri=uri, dst_path=str(into), tracking_uri=client().tracking_uri))
    except (MlflowException, OSError) as error:
        reason = " ".join(redact(str(error)).split())[:300]
        problem = f"the files of {version.name}/{version.number} can't be fetched from MLflow ({reason})"
        raise InputError(problem, "bring back its artifacts, or name another version") from None


def _resolve(reference: str) -> Version | None:
    if not reference:
        return None
    if "@" in reference or "/" in reference:
        return named_version(reference)
    if best := champion_or_newest(reference):
        return best
    runs = matching_runs(reference)
    return _version_of_run(runs[0] if len(runs) == 1 else reference)


def _version_of_run(run_id: str) -> Version | None:
    from mlflow.exceptions import MlflowException

    try:
        tags = client().get_run(run_id).data.tags
    except MlflowException:
        return None
    if MODEL_NAME in tags:
        return get_version(tags[MODEL_NAME], int(tags[MODEL_VERSION]))
    return _version_of_run(tags[PARENT]) if PARENT in tags else None


def _known() -> str:
    models = model_names()
    if not models:
        return "the registry has none yet; name a model's folder, or train one with `darkroom run`"
    latest = {name: versions(name)[0].number for name in models[:_NUM_LISTED] if versions(name)}
    listed = ", ".join(f"{name} (versions up to {number}{_alias_list(name)})" for name, number in latest.items())
    more = f" and {len(models) - _NUM_LISTED} more" if len(models) > _NUM_LISTED else ""
    return f"the registry has {listed}{more}; name one as name@champion or name/1, or give a run's id or a model's folder"


def _alias_list(name: str) -> str:
    return "".join(f", @{alias}" for alias in sorted(aliases(name)))


def _fetch_table(version: Version, artifact: str, into: Path) -> Path | None:
    into.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=into) as place:
        found = kept(version, artifact, Path(place))
        if found is None:
            return None
        target = into / f"{hashlib.sha256(found.read_bytes()).hexdigest()}.parquet"
        found.replace(target)
    return target
