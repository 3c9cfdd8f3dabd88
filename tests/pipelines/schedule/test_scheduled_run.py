"""Runs of a schedule on this machine: their journal, pausing, and a schedule that goes on failing."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from darkroom.system.errors import InputError
from pipelines.schedule import command as commands
from pipelines.schedule import journal, scheduled_run, status
from pipelines.schedule.schedules import find_schedule
from tests.pipelines.conftest import ROOT
from tests.webhook import webhook


class Notes:
    """A view that remembers what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def note(self, text: str) -> None:
        self.told.append(text)


@pytest.fixture
def params(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "params.yaml"
    entry = "schedules:\n  - {name: nightly, cron: '0 2 * * 0', data: nowhere}\n"
    path.write_text((ROOT / "params.yaml").read_text().replace("schedules: []\n", entry))
    return path


def fail(params: Path) -> Notes:
    view = Notes()
    with pytest.raises(InputError, match="the data source nowhere does not exist"):
        scheduled_run.run_schedule(find_schedule(params, "nightly"), params, view)  # type: ignore[arg-type]
    return view


def test_a_schedule_that_failed_three_times_is_told_loudly(
    params: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with webhook(monkeypatch, 200) as hook:
        assert [fail(params).told for _ in range(2)] == [[], []]
        commands.list_(params=params)
        (warning,) = fail(params).told
    assert warning.startswith("WARNING: schedule nightly has failed 3 times in a row, last: the data source nowhere")
    assert [body["event"] for body in hook.bodies] == ["schedule_failing"]
    with pytest.raises(Exception) as ended:
        commands.list_(as_json=True, params=params)
    assert getattr(ended.value, "exit_code", None) == 1
    shown = capsys.readouterr()
    assert "WARNING: schedule nightly has failed three times in a row" in shown.err
    (row,) = json.loads(shown.out.strip().split("\n")[-1])
    assert (row["state"], row["last"], row["failing"], row["where"]) == ("failing", ["failed"] * 3, True, "this machine")


def test_a_paused_schedule_does_nothing_until_it_is_resumed(params: Path, capsys: pytest.CaptureFixture[str]) -> None:
    commands.pause("nightly", params)
    view = Notes()
    result = scheduled_run.run_schedule(find_schedule(params, "nightly"), params, view)  # type: ignore[arg-type]
    assert result["action"] == "paused"
    assert view.told[0].startswith("schedule nightly is paused since ")
    assert status.overview(params, datetime.now(UTC))[0]["state"].startswith("paused since ")
    commands.resume("nightly", params)
    fail(params)
    commands.remove("nightly", params)
    assert capsys.readouterr().err.endswith("nightly: removed on this machine\n")
    with pytest.raises(InputError, match="nothing is known of a schedule 'nightly'"):
        commands.remove("nightly", params)
    with pytest.raises(InputError, match="there is no schedule 'daily'"):
        commands.pause("daily", params)


@pytest.mark.parametrize(("action", "ending"), [("train", "trained"), ("nothing", "nothing"), ("wait", "waited")])
def test_the_journal_says_how_runs_ended(params: Path, monkeypatch: pytest.MonkeyPatch, action: str, ending: str) -> None:
    answer: Callable[..., dict[str, Any]] = lambda *_: {"action": action, "message": "because"}  # noqa: E731
    monkeypatch.setattr(scheduled_run, "_run", answer)
    scheduled_run.run_schedule(find_schedule(params, "nightly"), params, Notes())  # type: ignore[arg-type]
    (entry,) = journal.entries(scheduled_run.JOURNALS, "nightly")
    assert (entry.ending, entry.message) == (ending, "because")


def test_failures_in_a_row_are_the_last_ones() -> None:
    assert not journal.is_failing(["failed", "failed"])
    assert journal.is_failing(["nothing", "failed", "failed", "failed"])
    assert not journal.is_failing(["failed", "failed", "failed", "trained"])


def test_the_journal_keeps_a_hundred(tmp_path: Path) -> None:
    for number in range(journal.KEPT + 3):
        journal.record(tmp_path, "nightly", datetime.now(UTC), "nothing", str(number))
    known = journal.entries(tmp_path, "nightly")
    assert (len(known), known[0].message, known[-1].message) == (journal.KEPT, "3", str(journal.KEPT + 2))


def test_a_wrong_schedule_is_told_in_a_sentence(params: Path) -> None:
    params.write_text(params.read_text().replace("'0 2 * * 0'", "'often'"))
    with pytest.raises(InputError, match=r"^schedule 'nightly': cron 'often' has 1 fields"):
        commands.list_(params=params)
