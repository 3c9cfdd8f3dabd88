"""Backup and restore of a real server: back up, destroy, restore, and everything is there."""

import dataclasses
import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import boto3
import pytest

from tests import servers
from tests.servers import ROOT, ObjectStore, Postgres, TrackingServer, clean_environment

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, postgres: Postgres, object_store: ObjectStore) -> Iterator[TrackingServer]:
    """A server of its own: it is destroyed."""
    store = dataclasses.replace(object_store, bucket="archived")
    with servers.tracking_server(tmp_path_factory.mktemp("archived"), postgres, store, "archived") as running:
        yield running


def call(command: str, *words: str, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    programs = f"{servers.postgresql_programs()}:{os.environ['PATH']}"
    given = {**clean_environment(), **environment, "PYTHON": sys.executable, "PATH": programs}
    return subprocess.run([str(ROOT / "mlflow" / command), *words], env=given, capture_output=True, text=True, check=False)


def ask(server: TrackingServer, code: str) -> Any:
    """What a client of its own process, with its own environment, prints as JSON."""
    prelude = "import json\nfrom mlflow import MlflowClient\nclient = MlflowClient()\n"
    environment = {**clean_environment(), **server.client_environment()}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", prelude + code], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.strip().split("\n")[-1])


FILL = """
experiment = client.create_experiment("digits")
for number in range(3):
    run = client.create_run(experiment, run_name=f"run {number}").info.run_id
    client.log_param(run, "train.epochs", number)
    for epoch in range(5):
        client.log_metric(run, "loss", 1 / (epoch + 1), step=epoch)
    client.log_text(run, f"report of run {number}", "reports/ä report.html")
    client.set_terminated(run)
client.create_registered_model("digits")
client.create_model_version("digits", f"runs:/{run}/reports", run, tags={"variant": "full"})
client.set_registered_model_alias("digits", "champion", "1")
from mlflow.server import get_app_client
get_app_client("basic-auth", tracking_uri=client.tracking_uri).create_user("anna", "annas-own-password")
print(json.dumps("filled"))
"""

ALL = """
experiment = client.get_experiment_by_name("digits")
runs = client.search_runs([experiment.experiment_id], order_by=["attribute.start_time"])
version = client.get_model_version_by_alias("digits", "champion")
from mlflow.artifacts import load_text
print(json.dumps({
    "runs": [run.to_dictionary() for run in runs],
    "curves": [[(point.step, point.value) for point in client.get_metric_history(run.info.run_id, "loss")] for run in runs],
    "texts": [load_text(f"runs:/{run.info.run_id}/reports/ä report.html") for run in runs],
    "version": [version.version, version.run_id, version.tags, version.source],
}))
"""


def destroy(server: TrackingServer) -> None:
    """Loses the database and every artifact."""
    server.stop()
    server.postgres.sql(f'DROP DATABASE "{server.database}" WITH (FORCE)')
    server.postgres.sql(f'CREATE DATABASE "{server.database}"')
    bucket = _bucket(server)
    bucket.objects.all().delete()
    bucket.delete()


def _bucket(server: TrackingServer) -> Any:
    keys = {name.lower(): value for name, value in server.store.environment().items() if name.startswith("AWS_") and "REGION" not in name}
    store = boto3.resource("s3", endpoint_url=server.store.endpoint, region_name="us-east-1", **keys)
    return store.Bucket(server.store.bucket)


@pytest.fixture(scope="module")
def archive(server: TrackingServer, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """A backup of the filled server while it runs, and all that the server said."""
    assert ask(server, FILL) == "filled"
    path = tmp_path_factory.mktemp("archives") / "monday.tar"
    done = call("backup", str(path), environment=server.backing_environment())
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{path}: the database and 3 artifacts, ")
    return path, ask(server, ALL)


def test_what_was_destroyed_comes_back(server: TrackingServer, archive: tuple[Path, Any]) -> None:
    path, before = archive
    assert len(before["runs"]) == 3 and before["texts"] == [f"report of run {number}" for number in range(3)]
    destroy(server)
    done = call("restore", str(path), environment=server.backing_environment())
    assert done.returncode == 0, done.stderr
    server.start()
    assert ask(server, ALL) == before
    assert ask(dataclasses.replace(server, username="anna", password="annas-own-password"), ALL) == before


def test_a_restore_over_something_needs_to_be_asked_for(server: TrackingServer, archive: tuple[Path, Any]) -> None:
    path, before = archive
    ask(server, "client.log_text(client.create_run('0').info.run_id, 'later', 'later.txt')\nprint(1)")
    refused = call("restore", str(path), environment=server.backing_environment())
    assert refused.returncode == 1
    assert "4 artifacts already: --replace puts the archive's in their place" in refused.stderr
    server.stop()
    done = call("restore", str(path), "--replace", environment=server.backing_environment())
    assert done.returncode == 0, done.stderr
    server.start()
    assert ask(server, ALL) == before
    assert ask(server, "print(len(client.search_runs(['0'])))") == 0
    assert len(list(_bucket(server).objects.all())) == 3


def test_a_damaged_archive_changes_nothing(server: TrackingServer, archive: tuple[Path, Any], tmp_path: Path) -> None:
    path, before = archive
    content = path.read_bytes()
    short, wrong = tmp_path / "short.tar", tmp_path / "wrong.tar"
    short.write_bytes(content[: len(content) * 2 // 3])
    wrong.write_bytes(content.replace(b"report of run 1", b"report of run 7"))
    for damaged in (short, wrong, tmp_path / "missing.tar"):
        done = call("restore", str(damaged), "--replace", environment=server.backing_environment())
        assert done.returncode == 1, done.stdout
        assert done.stderr.startswith(f"error: {damaged} ") and "nothing was changed" in done.stderr
        assert done.stderr.count("\n") == 1
    assert ask(server, ALL) == before


def test_a_backup_that_fails_leaves_no_file_and_no_secret(server: TrackingServer, tmp_path: Path) -> None:
    wrong = {**server.backing_environment(), "POSTGRES_PASSWORD": "not-the-password"}
    done = call("backup", str(tmp_path / "a.tar"), environment=wrong)
    assert done.returncode == 1
    assert done.stderr.startswith("error: pg_dump failed: ") and "not-the-password" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_folder_keeps_the_newest_backups(server: TrackingServer, tmp_path: Path) -> None:
    for day in (1, 2, 3):
        (tmp_path / f"mlflow-2026010{day}T000000Z.tar").write_bytes(b"old")
    given = {**clean_environment(), **server.backing_environment(), "PATH": f"{servers.postgresql_programs()}:{os.environ['PATH']}"}
    command = [sys.executable, str(ROOT / "mlflow" / "archive.py"), "backup", str(tmp_path), "--keep", "2"]
    subprocess.run(command, env=given, check=True, capture_output=True)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names[0] == "mlflow-20260103T000000Z.tar" and len(names) == 2
    with tarfile.open(tmp_path / names[1]) as made:
        assert {"database.dump", "checksums.json"} <= set(made.getnames())
    assert (tmp_path / names[1]).stat().st_mode & 0o777 == 0o600


def test_a_backup_goes_through_a_pipe(server: TrackingServer, archive: tuple[Path, Any]) -> None:
    _, before = archive
    given = {**clean_environment(), **server.backing_environment(), "PATH": f"{servers.postgresql_programs()}:{os.environ['PATH']}"}
    command = [sys.executable, str(ROOT / "mlflow" / "archive.py")]
    content = subprocess.run([*command, "backup", "-"], env=given, check=True, capture_output=True).stdout
    server.stop()
    done = subprocess.run([*command, "restore", "-", "--replace"], env=given, check=True, capture_output=True, input=content)
    assert b"the database and 3 artifacts are back" in done.stdout
    server.start()
    assert ask(server, ALL) == before
