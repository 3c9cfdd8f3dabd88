"""What the shared server does before it serves."""

import configparser
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import pytest
import sqlalchemy

from tests import servers
from tests.mlflow.serving import serve
from tests.servers import ROOT, clean_environment

GOOD = dict.fromkeys((*serve.NAMES, *serve.SECRETS), "a-good-long-value")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"POSTGRES_PASSWORD": ""}, "error: POSTGRES_PASSWORD must be set: see .env.example\n"),
        ({"MLFLOW_AUTH_ADMIN_PASSWORD": "short"}, "error: MLFLOW_AUTH_ADMIN_PASSWORD must have at least 12 characters: see .env.example\n"),
        (
            {"MLFLOW_BUCKET": "", "AWS_SECRET_ACCESS_KEY": "admin"},
            "error: MLFLOW_BUCKET must be set; AWS_SECRET_ACCESS_KEY must have at least 12 characters: see .env.example\n",
        ),
    ],
)
def test_a_server_without_its_secrets_does_not_start(change: dict[str, str], sentence: str) -> None:
    environment = {**clean_environment(), **GOOD, **change}
    done = subprocess.run([sys.executable, str(ROOT / "mlflow" / "serve.py")], env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", sentence)


def test_any_password_reaches_the_database(monkeypatch: pytest.MonkeyPatch) -> None:
    odd = "p@ss/w%rd:#ä ?&"
    for name, value in {**GOOD, "POSTGRES_PASSWORD": odd, "POSTGRES_PORT": "6543"}.items():
        monkeypatch.setenv(name, value)
    path = serve.write_auth_config()
    assert path.stat().st_mode & 0o777 == 0o600
    config = configparser.ConfigParser()  # as MLflow reads it
    config.read(path)
    url = sqlalchemy.make_url(config["mlflow"]["database_uri"])
    assert (url.drivername, url.password, url.port) == ("postgresql+pg8000", odd, 6543)
    assert sqlalchemy.make_url(serve.database_uri()) == url
    assert "admin_password" not in config["mlflow"]


@pytest.mark.slow
def test_a_database_of_an_older_mlflow_is_upgraded_only_when_asked(
    tmp_path: Path, postgres: servers.Postgres, object_store: servers.ObjectStore
) -> None:
    with servers.tracking_server(tmp_path, postgres, object_store, "older") as server:
        server.stop()
        _go_back_one_version(server)
        before = postgres.sql("SELECT version_num FROM alembic_version", "older")
        with pytest.raises(RuntimeError, match="back it up, then start once with MLFLOW_UPGRADE_DATABASE=true"):
            server.start()
        assert postgres.sql("SELECT version_num FROM alembic_version", "older") == before
        server.process.environment["MLFLOW_UPGRADE_DATABASE"] = "true"
        server.start()
        newest = postgres.sql("SELECT version_num FROM alembic_version", "older")
        assert newest != before
        server.stop()
        postgres.sql("UPDATE alembic_version SET version_num = '0123456789ab'", "older")
        with pytest.raises(RuntimeError, match="a newer MLflow made the database: go back to its image"):
            server.start()


def _go_back_one_version(server: servers.TrackingServer) -> None:
    """Does what MLflow's own migrations do the other way."""
    code = """
import sqlalchemy, sys
from alembic import command
from mlflow.store.db.utils import _get_alembic_config
uri = sys.stdin.read()
config = _get_alembic_config(uri)
with sqlalchemy.create_engine(uri).begin() as connection:
    config.attributes["connection"] = connection
    command.downgrade(config, "-1")
"""
    given = server.postgres.environment(server.database)
    login = f"{given['POSTGRES_USER']}:{quote(given['POSTGRES_PASSWORD'], safe='')}"
    uri = f"postgresql+pg8000://{login}@127.0.0.1:{server.postgres.port}/{server.database}"
    subprocess.run([sys.executable, "-c", code], input=uri, text=True, check=True, capture_output=True, env=clean_environment())
