"""A store on SQLite: named in every form, moved, copied, and left alone by those who only read."""

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from darkroom.system.errors import InputError
from darkroom.tracking.client import artifact_location, client, database, experiment_id, is_tracked, tracking_uri, use_store
from darkroom.tracking.runs import start_run
from darkroom.tracking.search import experiment_names
from darkroom.tracking.sqlite_store import moved_from
from tests import forks

VERSION = "0123456789abcdef0123456789abcdef.dir"


@pytest.fixture
def store(migrated_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store in a folder of its own, which a run with a file in it has filled."""
    folder = tmp_path / "the one_before"
    folder.mkdir()
    shutil.copyfile(migrated_store, folder / "mlflow.db")
    use(folder, monkeypatch)
    fill = lambda: client().log_text(start_run("digits", "first", {}, {}, "/data", VERSION), "kept", "note.txt")  # noqa: E731
    done = forks.run(fill, folder, os.environ)  # MLflow remembers for a process where each run keeps its files
    assert done.returncode == 0, done.stderr
    return folder


def use(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder}/mlflow.db")


def runs() -> list[Any]:
    return list(client().search_runs([experiment_id("digits")]))


@pytest.mark.parametrize(
    ("uri", "file"),
    [
        ("", "mlflow.db"),
        ("sqlite:///mlflow.db", "mlflow.db"),
        ("sqlite:///stores/../mlflow.db", "stores/../mlflow.db"),
        ("sqlite+pysqlite:///a b.db", "a b.db"),
        ("sqlite:////tmp/a.db?timeout=5", "/tmp/a.db"),
    ],
)
def test_an_address_is_meant_from_the_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, uri: str, file: str) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    monkeypatch.chdir(tmp_path)
    path, query = tmp_path / file, uri[uri.find("?") :] if "?" in uri else ""
    assert (database(), tracking_uri()) == (path, f"sqlite:///{path}{query}")
    assert artifact_location() == (path.parent / "mlartifacts").as_uri()


@pytest.mark.parametrize("uri", ["http://host:5000", "postgresql://host/mlflow", "sqlite://", "databricks"])
def test_another_address_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch, uri: str) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    assert (database(), tracking_uri(), artifact_location()) == (None, uri, None)


def test_a_relative_address_takes_a_new_experiment(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///mlflow.db")
    monkeypatch.chdir(store)
    assert use_store() == f"sqlite:///{store}/mlflow.db"
    run_id = start_run("another", "first", {}, {}, "/data", VERSION)
    assert (store / "mlartifacts" / run_id / "artifacts" / "settings.json").is_file()


def test_an_address_in_a_folder_that_is_not_there_is_no_empty_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/gone/mlflow.db")
    for ask in (is_tracked, use_store, experiment_names):
        with pytest.raises(InputError, match=r"MLFLOW_TRACKING_URI .* no folder .*gone"):
            ask()


def test_who_only_reads_makes_no_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use(tmp_path, monkeypatch)
    use_store()
    assert (is_tracked(), experiment_names()) == (False, {})
    with pytest.raises(InputError, match=r"there is no .*mlflow\.db"):
        client()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("how", ["moved", "copied"])
def test_a_store_reads_and_writes_what_stands_beside_it(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], how: str
) -> None:
    other = tmp_path / "moved aside"
    if how == "moved":
        store.rename(other)
    else:
        shutil.copytree(store, other)
    use(other, monkeypatch)
    assert moved_from(other / "mlflow.db") == [store]
    use_store()
    said = capsys.readouterr().err
    assert said.startswith("note: ") and str(store) in said and str(other) in said
    before = sorted(store.rglob("*"))
    (run,) = runs()
    assert Path(client().download_artifacts(run.info.run_id, "note.txt", str(tmp_path))).read_text(encoding="utf-8") == "kept"
    client().log_text(run.info.run_id, "also", "second.txt")
    assert (other / "mlartifacts" / run.info.run_id / "artifacts" / "second.txt").is_file()
    assert sorted(store.rglob("*")) == before
    use_store()
    assert (capsys.readouterr().err, moved_from(other / "mlflow.db")) == ("", [])


def test_a_store_that_came_without_its_artifacts_is_refused(store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copy(store / "mlflow.db", tmp_path)
    use(tmp_path, monkeypatch)
    with pytest.raises(InputError) as error:
        use_store()
    assert all(str(place) in str(error.value) for place in (store / "mlartifacts", tmp_path / "mlartifacts"))
    assert not (tmp_path / "mlartifacts").exists()


def test_a_store_that_is_named_through_a_link_was_not_moved(store: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(store)
    assert moved_from(tmp_path / "link" / "mlflow.db") == []


def test_a_deleted_experiment_is_told_with_the_command_that_restores_it(store: Path) -> None:
    identity = experiment_id("digits")
    client().delete_experiment(identity)
    with pytest.raises(InputError) as error:
        experiment_id("digits")
    assert f"mlflow experiments restore --experiment-id {identity}" in str(error.value) and "register.name" in str(error.value)


@pytest.mark.parametrize("uri", ["mysql://user:secret123@host/mlflow", "mssql+pyodbc://user:secret123@host/mlflow"])
def test_a_missing_driver_is_named_with_its_package(monkeypatch: pytest.MonkeyPatch, uri: str) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    with pytest.raises(InputError, match="pip install") as error:
        use_store()
    assert "secret123" not in str(error.value)
