"""What docs/mlflow.md tells people to type: run where it can be run here, else held against what it names."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from pipelines.cli import app
from tests import servers
from tests.servers import ROOT, clean_environment

TEXT = (ROOT / "docs" / "mlflow.md").read_text()
BLOCKS = [re.sub(r"^ {3}", "", block, flags=re.MULTILINE) for block in re.findall(r"^ *```sh\n(.*?)^ *```", TEXT, re.DOTALL | re.MULTILINE)]


def block(words: str) -> str:
    """The one block of commands that has these words."""
    (found,) = [text for text in BLOCKS if words in text]
    return found


def copy_of_the_folder(folder: Path) -> Path:
    shutil.copytree(ROOT / "mlflow", folder / "mlflow", ignore=shutil.ignore_patterns(".env"))
    return folder


def values(path: Path) -> dict[str, str]:
    lines = [line for line in path.read_text().split("\n") if line and not line.startswith("#")]
    return dict(line.split("=", 1) for line in lines)


def test_the_secrets_are_made_as_the_page_says(tmp_path: Path) -> None:
    folder = copy_of_the_folder(tmp_path)
    subprocess.run(["sh", "-euc", block("openssl rand")], cwd=folder, check=True, capture_output=True)
    path = folder / "mlflow" / ".env"
    made, example = values(path), values(ROOT / "mlflow" / ".env.example")
    assert path.stat().st_mode & 0o777 == 0o600
    filled = {name for name in made if made[name] != example[name]}
    assert filled == {name for name, value in example.items() if not value}
    assert all(re.fullmatch(r"[0-9a-f]{48}", made[name]) for name in filled) and len({made[name] for name in filled}) == len(filled)


def test_the_secret_of_the_cluster_comes_from_that_file(tmp_path: Path) -> None:
    if not shutil.which("kubectl"):
        pytest.skip("there is no kubectl")
    folder = copy_of_the_folder(tmp_path)
    subprocess.run(["sh", "-euc", block("openssl rand")], cwd=folder, check=True, capture_output=True)
    (line,) = [line for line in block("kubectl apply --kustomize").split("\n") if "create secret" in line]
    done = subprocess.run(["sh", "-euc", f"{line} --dry-run=client --output yaml"], cwd=folder, check=True, capture_output=True, text=True)
    secret = yaml.safe_load(done.stdout)
    assert (secret["metadata"]["name"], secret["metadata"]["namespace"]) == ("mlflow-secrets", "mlflow")
    assert set(secret["data"]) == set(values(folder / "mlflow" / ".env"))


def test_every_file_and_folder_that_the_page_names_is_there() -> None:
    named = set(re.findall(r"mlflow/[\w./-]*\w", TEXT)) - {"mlflow/.env"}
    assert {name for name in named if not (ROOT / name).exists()} == set()
    assert {"mlflow/serve.py", "mlflow/backup", "mlflow/restore", "mlflow/kubernetes/production"} <= named


def test_every_variable_that_the_page_names_is_one_that_is_read() -> None:
    named = set(re.findall(r"\b(?:MLFLOW|POSTGRES|AWS)_[A-Z_0-9]+\b", TEXT))
    sources = [ROOT / "mlflow" / name for name in ("serve.py", "compose.yaml", ".env.example", "account.py")]
    known = set(re.findall(r"\b[A-Z_0-9]+\b", "\n".join(path.read_text() for path in sources)))
    import mlflow.environment_variables as mlflows

    unknown = {name for name in named - known if not hasattr(mlflows, name)}
    assert unknown <= {"MLFLOW_HOST", "MLFLOW_PORT"}, "those two are options of MLflow's server"


def test_every_command_of_darkroom_on_the_page_exists() -> None:
    from typer.main import get_command

    known = set(get_command(app).commands)  # type: ignore[attr-defined]
    assert set(re.findall(r"^darkroom (\w+)", TEXT, re.MULTILINE)) | set(re.findall(r"`darkroom (\w+)`", TEXT)) <= known


def test_the_page_and_the_program_say_the_same_when_it_fails() -> None:
    told = re.findall(r"^\| `(?:error: )?(.+?)` \|", TEXT.split("## When it fails")[1], re.MULTILINE)
    sources = "\n".join(path.read_text() for path in (*(ROOT / "darkroom" / "tracking").glob("*.py"), ROOT / "mlflow" / "serve.py"))
    for sentence in told:
        pieces = [piece.strip(" :'") for piece in re.split(r"\.\.\.|'?anna'?|refuses the user|: ", sentence)]
        for piece in [piece for piece in pieces if len(piece) > 12]:
            assert any(part in sources for part in (piece, piece.replace("the database can't", "{what} can't"))), piece


@pytest.mark.slow
def test_a_server_by_hand_starts_and_takes_accounts(tmp_path: Path, postgres: servers.Postgres, object_store: servers.ObjectStore) -> None:
    folder = copy_of_the_folder(tmp_path)
    subprocess.run(["sh", "-euc", block("openssl rand")], cwd=folder, check=True, capture_output=True)
    (folder / "server" / "bin").mkdir(parents=True)
    (folder / "server" / "bin" / "python").symlink_to(sys.executable)
    postgres.sql('CREATE DATABASE "by_hand"')
    path, port = folder / "mlflow" / ".env", servers.free_port()
    path.write_text(f"{path.read_text()}POSTGRES_PASSWORD='{postgres.password}'\nMLFLOW_PORT={port}\n")
    given = {**postgres.environment("by_hand"), **object_store.environment(), "MLFLOW_BUCKET": "by-hand", "MLFLOW_WORKERS": "1"}
    lines = [line for line in block("python3.11 -m venv server").strip().split("\n") if "venv" not in line and " install " not in line]
    environment = {**clean_environment(), **given, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = ["sh", "-euc", f"cd {folder}\n" + "\n".join(lines)]
    process = servers.Process(command, environment, tmp_path / "server.log", f"http://127.0.0.1:{port}/health")
    process.start()
    try:
        (account,) = [line for line in block("account.py anna").split("\n") if line.startswith("server/")]
        command = ["sh", "-euc", f"cd {folder}; set -a; . mlflow/.env; set +a\n{account}"]
        call = {"env": environment, "input": "annas-own-password\n", "capture_output": True, "text": True}
        made, again = (subprocess.run(command, check=False, **call) for _ in range(2))
        assert (made.returncode, made.stdout) == (0, "anna has an account\n"), made.stderr
        assert again.returncode == 1 and again.stderr.startswith("error: ") and "annas-own-password" not in again.stderr
    finally:
        process.stop()
