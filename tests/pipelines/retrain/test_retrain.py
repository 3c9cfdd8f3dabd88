"""Turns beside a real champion: one at a time on a machine, told to a webhook whose address is written nowhere."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from darkroom.system.errors import InputError
from pipelines.plan import key_of
from pipelines.retrain.decide import RetrainConfig
from pipelines.retrain.retrain import read_retrain, retrain
from tests.pipelines.conftest import ROOT, Toys
from tests.webhook import SECRET, webhook

QUIET = RetrainConfig()
HOLD = """
import sys, time
from pathlib import Path
from pipelines.retrain.retrain import _alone
with _alone(Path(sys.argv[1])) as other:
    assert not other
    print("held", flush=True)
    time.sleep(600)
"""


class Notes:
    """A view that remembers what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def note(self, text: str) -> None:
        self.told.append(text)


def test_of_two_turns_on_a_machine_one_says_that_the_other_does_it(toys: Toys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    lock = tmp_path / "runs" / "turns" / f"{key_of(toys.plan)}.lock"
    command = [sys.executable, "-c", HOLD, str(lock)]
    holder = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    view = Notes()
    result = retrain(toys.plan, QUIET, view, force=True)  # type: ignore[arg-type]
    assert (result["action"], result["run"]["pid"]) == ("wait", str(holder.pid))
    assert view.told == [f"plan: left alone: another command does the same, on {result['run']['host']}, process {holder.pid}, since "
                         f"{result['run']['since']}"]  # fmt: skip
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    holder.stdout.close()
    assert retrain(toys.plan, QUIET, Notes())["action"] == "nothing"  # type: ignore[arg-type]


def test_a_turn_that_fails_is_told_and_the_webhook_s_address_is_not(
    toys: Toys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    broken = dataclasses.replace(toys.plan, source=tmp_path / "gone", version="other")
    view = Notes()
    with webhook(monkeypatch, 500, 200) as hook, pytest.raises(InputError, match="gone does not exist"):
        retrain(broken, QUIET, view)  # type: ignore[arg-type]
    assert [(body["event"], body["error"]) for body in hook.bodies] == [("failure", "InputError")] * 2
    with pytest.raises(InputError, match="gone does not exist"):  # the server is gone: a note, and the same error
        retrain(broken, QUIET, view)  # type: ignore[arg-type]
    assert view.told == ["note: the webhook did not take the message: the connection is refused"]
    written = [path for folder in (tmp_path, toys.source.parent) for path in folder.rglob("*") if path.is_file()]
    assert len(written) > 50
    assert [path for path in written if SECRET.encode() in path.read_bytes()] == []
    assert SECRET not in json.dumps([view.told, *capfd.readouterr()])


def test_nothing_to_do_tells_nobody(toys: Toys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with webhook(monkeypatch, 200) as hook:
        assert retrain(toys.plan, QUIET, Notes())["action"] == "nothing"  # type: ignore[arg-type]
    assert hook.bodies == []


def test_settings_come_from_the_file_and_the_command_line() -> None:
    assert read_retrain([], ROOT / "params.yaml") == RetrainConfig()
    assert read_retrain(["retrain.start=champion"], ROOT / "params.yaml", "week") == RetrainConfig(start="champion", window="week")
    with pytest.raises(InputError, match=r"retrain\.window is 'year'"):
        read_retrain([], ROOT / "params.yaml", "year")
