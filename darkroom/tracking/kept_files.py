"""The files that runs and logged models keep in MLflow, one by one: listed, read, replaced and deleted."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

from darkroom.tracking.client import client


def kept_paths(run_id: str, folder: str = "", skipped: frozenset[str] = frozenset()) -> Iterator[str]:
    """The paths of all files that a run keeps, without those in some folders.

    Args:
        run_id: The run.
        folder: Where to begin.
        skipped: Folders whose files are left out.
    """
    for entry in client().list_artifacts(run_id, folder or None):
        if entry.is_dir:
            if entry.path not in skipped:
                yield from kept_paths(run_id, entry.path, skipped)
        else:
            yield str(entry.path)


def read_kept(run_id: str, path: str) -> bytes:
    """The bytes of a file that a run keeps."""
    with tempfile.TemporaryDirectory() as place:
        return Path(client().download_artifacts(run_id, path, place)).read_bytes()


def replace_kept(run_id: str, path: str, data: bytes) -> None:
    """Puts other bytes in the place of a file that a run keeps."""
    folder, _, name = path.rpartition("/")
    with tempfile.TemporaryDirectory() as place:
        (Path(place) / name).write_bytes(data)
        client().log_artifact(run_id, str(Path(place) / name), folder or None)


def delete_kept(run_id: str, path: str) -> None:
    """Deletes a file that a run keeps."""
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    get_artifact_repository(client().get_run(run_id).info.artifact_uri).delete_artifacts(path)  # type: ignore[no-untyped-call]


def read_of_model(model_id: str, name: str) -> bytes | None:
    """The bytes of a file of a logged model; nothing where it has no such file."""
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    if name not in {entry.path for entry in client().list_logged_model_artifacts(model_id, name.rpartition("/")[0] or None)}:
        return None
    repository = get_artifact_repository(client().get_logged_model(model_id).artifact_location)
    with tempfile.TemporaryDirectory() as place:
        return Path(repository.download_artifacts(name, place)).read_bytes()  # type: ignore[no-untyped-call]


def replace_of_model(model_id: str, name: str, data: bytes) -> None:
    """Puts other bytes in the place of a file of a logged model."""
    with tempfile.TemporaryDirectory() as place:
        (Path(place) / name).parent.mkdir(parents=True, exist_ok=True)
        (Path(place) / name).write_bytes(data)
        client().log_model_artifacts(model_id, place)


def logged_models(run_id: str) -> list[str]:
    """The ids of the models that a run logged."""
    outputs = client().get_run(run_id).outputs
    return [str(output.model_id) for output in outputs.model_outputs] if outputs else []
