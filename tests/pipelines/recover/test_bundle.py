import json
import shutil
import zipfile
from pathlib import Path

import pytest

from pipelines.recover.bundle import write_bundle
from pipelines.run.failures import StepFailedError

PLANTED = ("planted-secret-4711", "planted-password-4711", "planted-in-code-4711")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("WEBHOOK_SECRET", PLANTED[0])
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"https://me:{PLANTED[1]}@example.org")
    logs = tmp_path / "run" / "logs"
    logs.mkdir(parents=True)
    (logs / "ingest.log").write_text("\n".join(f"line {number}" for number in range(1000)))
    trace = "Traceback (most recent call last)\n  File x\nValueError: no such loss"
    (logs / "train.log").write_text(f"epoch 1\nsent {PLANTED[0]} to https://me:{PLANTED[1]}@example.org\npassword={PLANTED[2]}\n{trace}\n")
    return tmp_path / "run"


def test_a_bundle_tells_all_and_holds_no_secret(folder: Path, tmp_path: Path) -> None:
    error = StepFailedError("train", f"ValueError: no such loss with {PLANTED[0]}", folder / "logs" / "train.log")
    bundle = write_bundle(folder, {"run_id": "3f2a", "data_version": "a" * 32}, {"train": {"epochs": 3}}, error)
    assert bundle == folder / "failure.zip"
    shutil.unpack_archive(bundle, tmp_path / "out")
    found = {path.relative_to(tmp_path / "out").as_posix(): path.read_text() for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert set(found) == {"error.json", "traceback.txt", "settings.json", "environment.json", "logs/ingest.log", "logs/train.log"}
    assert json.loads(found["error.json"])["step"] == "train"
    assert found["traceback.txt"].startswith("Traceback") and found["traceback.txt"].endswith("ValueError: no such loss\n")
    assert json.loads(found["settings.json"]) == {"train": {"epochs": 3}}
    environment = json.loads(found["environment.json"])
    assert environment["packages"]["torch"] and environment["disk_free_bytes"] > 0
    assert environment["variables"]["MLFLOW_TRACKING_URI"] == "https://***@example.org"
    assert "WEBHOOK_SECRET" not in found["environment.json"]
    assert found["logs/ingest.log"].startswith("(800 lines before)\nline 800\n")
    everything = "".join(found.values()) + bundle.read_bytes().decode("latin-1")
    assert [secret for secret in PLANTED if secret in everything] == []


def test_a_failure_outside_the_steps_has_its_own_traceback(folder: Path) -> None:
    try:
        raise ZeroDivisionError("ours")
    except ZeroDivisionError as error:
        bundle = write_bundle(folder, {}, {}, error)
    with zipfile.ZipFile(bundle) as archive:
        text = archive.read("traceback.txt").decode()
    assert "test_bundle.py" in text and text.endswith("ZeroDivisionError: ours\n")
