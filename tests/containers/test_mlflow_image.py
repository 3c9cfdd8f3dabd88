"""The shared MLflow server's image, locked down as compose and Kubernetes run it, on a real database and store."""

import json
import os
import subprocess
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines.run.image import _client, _secrets
from tests import servers
from tests.servers import ROOT, ObjectStore, Postgres

pytestmark = pytest.mark.slow

NAME = "darkroom-mlflow-test"
LOCKED = ["--read-only", "--tmpfs", "/tmp", "--user", "12345:0", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"]


@pytest.fixture(scope="module")
def server_image(base: str) -> str:
    """Built as docs/mlflow.md says, on the base image that is there."""
    command = [_client(), "build", "--network", "host", "--build-arg", f"BASE={base}", *_secrets(), "--tag", NAME, str(ROOT / "mlflow")]
    subprocess.run(command, check=True, capture_output=True, env={**os.environ, "DOCKER_BUILDKIT": "1"})
    return NAME


@pytest.fixture(scope="module")
def settings(postgres: Postgres, object_store: ObjectStore) -> dict[str, str]:
    """All that the server is told."""
    postgres.sql('CREATE DATABASE "in_a_container"')
    secrets = {"MLFLOW_AUTH_ADMIN_PASSWORD": "a-password-of-the-test", "MLFLOW_FLASK_SERVER_SECRET_KEY": "a-key-of-the-test"}
    more = {"MLFLOW_PORT": str(servers.free_port()), "MLFLOW_HOST": "127.0.0.1", "MLFLOW_WORKERS": "1", "MLFLOW_BUCKET": "in-a-container"}
    return {**postgres.environment("in_a_container"), **object_store.environment(), **secrets, **more}


def docker_run(settings: dict[str, str], *words: str) -> list[str]:
    """The command; secrets go by the environment, not by the command line."""
    names = [word for name in settings for word in ("--env", name)]
    return [_client(), "run", "--rm", "--network", "host", *LOCKED, *names, *words]


@pytest.fixture(scope="module")
def running(server_image: str, settings: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the server in its container."""
    address, container = f"http://127.0.0.1:{settings['MLFLOW_PORT']}", f"{NAME}-{settings['MLFLOW_PORT']}"
    command = docker_run(settings, "--name", container, server_image)
    log = tmp_path_factory.mktemp("container") / "log"
    process = servers.Process(command, {**os.environ, **settings}, log, f"{address}/health")
    try:
        process.start()
        yield address
    finally:
        subprocess.run([_client(), "rm", "--force", container], check=False, capture_output=True)
        process.stop()


def test_the_image_serves_without_root_or_a_file_of_its_own_to_write(running: str, settings: dict[str, str]) -> None:
    login = b64encode(f"admin:{settings['MLFLOW_AUTH_ADMIN_PASSWORD']}".encode()).decode()
    asked = urllib.request.Request(f"{running}/version", headers={"Authorization": f"Basic {login}"})
    with urllib.request.urlopen(asked, timeout=30) as answer:
        assert answer.read().decode() == "3.17.2"
    with pytest.raises(urllib.error.HTTPError, match="401"):
        urllib.request.urlopen(f"{running}/version", timeout=30)


def test_an_account_and_a_backup_are_made_in_the_container(
    running: str, server_image: str, settings: dict[str, str], tmp_path: Path
) -> None:
    environment = {**os.environ, **settings}
    account = docker_run(settings, "--interactive", "--entrypoint", "python", server_image, "/app/account.py", "anna")
    made = subprocess.run(account, env=environment, input="annas-own-password\n", capture_output=True, text=True, check=False)
    assert (made.returncode, made.stdout) == (0, "anna has an account\n"), made.stderr
    tmp_path.chmod(0o777)
    volume = ["--volume", f"{tmp_path}:/archives", "--env", "TMPDIR=/archives"]
    backup = docker_run(settings, *volume, "--entrypoint", "python", server_image, "/app/archive.py", "backup", "/archives/a.tar")
    done = subprocess.run(backup, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["a.tar"]


def test_the_image_has_no_secret(server_image: str) -> None:
    described = subprocess.run([_client(), "inspect", server_image], check=True, capture_output=True, text=True).stdout
    (image,) = json.loads(described)
    assert {variable.split("=")[0] for variable in image["Config"]["Env"]} == {
        "PATH",
        "HOME",
        "PYTHONDONTWRITEBYTECODE",
        "PYTHONUNBUFFERED",
        "MLFLOW_HOST",
    }
    assert image["Config"]["User"] == "10001:0"
