"""What the shared server does before it serves."""

import configparser
import subprocess
import sys

import pytest
import sqlalchemy

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
