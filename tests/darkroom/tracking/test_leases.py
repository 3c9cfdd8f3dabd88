"""Leases between real processes on one SQLite store, clocks that disagree, and runs that died."""

import json
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from darkroom.system.processes import owner_tags
from darkroom.tracking import leases
from darkroom.tracking.client import client
from darkroom.tracking.leases import request, withdraw
from darkroom.tracking.runs import finish_run, start_run
from darkroom.tracking.tags import ASKS, HOLDS, HOST, LEASE, PID, WORK_KEY

RACE = """
import json, sys, time
from darkroom.tracking import leases
from darkroom.tracking.runs import finish_run, start_run
from darkroom.tracking.tags import ASKS, LEASE, WORK_KEY
tags = {WORK_KEY: "k", LEASE: ASKS}
run_id = start_run("race", "one", {}, tags, "data", "v1")
other = leases.request(run_id, "race", "k")
if other:
    leases.withdraw(run_id)
else:
    time.sleep(3)
    finish_run(run_id, "FINISHED")
print(json.dumps({"run_id": run_id, "other": other.run_id if other else ""}))
"""


def make(value: str, *, host: str = "", late_s: float = 0.0) -> str:
    """A run of this process, or of another machine, whose clock is late."""
    experiment = client().get_experiment_by_name("race")
    place = experiment.experiment_id if experiment else client().create_experiment("race")
    tags = {WORK_KEY: "k", LEASE: value, HOST: host or socket.gethostname(), PID: "1"}
    run = client().create_run(place, start_time=int((time.time() - late_s) * 1000), tags=tags)
    return str(run.info.run_id)


@pytest.mark.slow
def test_of_many_processes_that_ask_at_once_one_gets_the_work(mlflow_store: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    racers = [subprocess.Popen([sys.executable, "-c", RACE], env=environment, stdout=subprocess.PIPE, text=True) for _ in range(5)]
    answers = [json.loads(racer.communicate(timeout=300)[0]) for racer in racers]
    winners = [answer["run_id"] for answer in answers if not answer["other"]]
    assert len(winners) == 1
    assert {answer["other"] for answer in answers} == {"", winners[0]}
    assert [found.run_id for found in leases.leases("race", "k")] == winners


def test_who_holds_has_won_even_where_another_clock_says_earlier(mlflow_store: Path) -> None:
    holder = make(HOLDS, host="elsewhere")
    asker = make(ASKS, late_s=3600)
    other = request(asker, "race", "k")
    assert other is not None
    assert other.run_id == holder
    assert other.who() | {"since": ""} == {"run_id": holder, "host": "elsewhere", "pid": "1", "since": ""}
    withdraw(asker)
    assert [found.run_id for found in leases.leases("race", "k")] == [holder]


def test_the_earlier_asker_waits_until_the_later_one_gives_way(mlflow_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "POLL_S", 0.1)
    later = make(ASKS, host="elsewhere")
    earlier = make(ASKS, host="here too", late_s=60)
    answers: list[object] = []
    asking = threading.Thread(target=lambda: answers.append(request(earlier, "race", "k")))
    asking.start()
    time.sleep(3 * leases.POLL_S)
    assert answers == []
    given_way = request(later, "race", "k")
    assert given_way is not None and given_way.run_id == earlier
    withdraw(later)
    asking.join(20)
    assert answers == [None]
    assert client().get_run(earlier).data.tags[LEASE] == HOLDS


@pytest.mark.parametrize("end", ["FINISHED", "FAILED", "KILLED"])
def test_what_has_ended_has_no_lease(mlflow_store: Path, end: str) -> None:
    finish_run(make(HOLDS), end)  # type: ignore[arg-type]
    assert request(make(ASKS), "race", "k") is None


def test_a_dead_process_and_an_abandoned_run_have_no_lease(mlflow_store: Path) -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    start_run("race", "dead", {}, {**owner_tags(), PID: str(gone.pid), WORK_KEY: "k"}, "data", "v1")
    make(HOLDS, host="elsewhere", late_s=leases.ABANDONED_S + 60)
    make(ASKS, host="elsewhere", late_s=leases.ASKING_S + 60)
    assert [found.status for found in leases.leases("race", "k")] == ["RUNNING"] * 3
    asker = start_run("race", "mine", {}, {WORK_KEY: "k", LEASE: ASKS}, "data", "v1")
    assert request(asker, "race", "k") is None


def test_without_an_experiment_there_are_no_leases(mlflow_store: Path) -> None:
    assert leases.leases("nothing", "k") == []
