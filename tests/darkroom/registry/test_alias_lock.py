"""One at a time, on a real store: lost updates are counted."""

import json
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from darkroom.registry import champion
from darkroom.registry.champion import alias_lock, ticket_lock
from darkroom.system.processes import owner_tags
from darkroom.tracking.client import client
from darkroom.tracking.tags import ALIAS_TICKET


def count_up(counter: Path, lock: Callable[[str], AbstractContextManager[None]], num_threads: int, rounds: int) -> int:
    """Threads that read a number, wait and write the next one; what they end with."""
    counter.write_text("0")
    errors = []

    def work() -> None:
        try:
            for _ in range(rounds):
                with lock("toys"):
                    number = int(counter.read_text())
                    time.sleep(0.02)
                    counter.write_text(str(number + 1))
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(num_threads)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    return int(counter.read_text())


@pytest.mark.parametrize("lock", [alias_lock, ticket_lock])
def test_no_update_is_lost_between_processes_that_lock(
    mlflow_store: Path, tmp_path: Path, lock: Callable[[str], AbstractContextManager[None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(champion, "_POLL_S", 0.02)
    client().create_registered_model("toys")
    assert count_up(tmp_path / "counter", lock, 4, 3) == 12
    assert client().get_registered_model("toys").tags == {}


def test_the_lock_of_a_file_ends_with_its_process(mlflow_store: Path) -> None:
    code = (
        "import sys; from darkroom.registry.champion import alias_lock\n"
        "with alias_lock('toys'): print('held', flush=True); sys.stdin.read()"
    )
    holder = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    entered = threading.Event()

    def enter() -> None:
        with alias_lock("toys"):
            entered.set()

    thread = threading.Thread(target=enter)
    thread.start()
    assert not entered.wait(0.3)
    holder.kill()
    holder.communicate()
    assert entered.wait(10)
    thread.join()


@pytest.mark.parametrize("ticket", [0, 1])
def test_a_ticket_of_a_dead_process_is_removed(mlflow_store: Path, ticket: int) -> None:
    code = "import json; from darkroom.system.processes import owner_tags; print(json.dumps(owner_tags()))"
    dead = json.loads(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)
    client().create_registered_model("toys")
    client().set_registered_model_tag("toys", f"{ALIAS_TICKET}0", json.dumps({"ticket": ticket, "owner": dead}))
    with ticket_lock("toys"):
        assert len(client().get_registered_model("toys").tags) == 1
    assert client().get_registered_model("toys").tags == {}


def test_a_ticket_from_elsewhere_is_waited_for_and_then_taken_for_dead(mlflow_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(champion, "PATIENCE_S", 0.6)
    elsewhere = {**owner_tags(), "darkroom.host": "elsewhere"}
    client().create_registered_model("toys")
    client().set_registered_model_tag("toys", f"{ALIAS_TICKET}0", json.dumps({"ticket": 1, "owner": elsewhere}))
    start = time.monotonic()
    with ticket_lock("toys"):
        assert time.monotonic() - start >= 0.6


def test_a_ticket_is_removed_where_the_work_fails(mlflow_store: Path) -> None:
    client().create_registered_model("toys")
    with pytest.raises(ZeroDivisionError), ticket_lock("toys"):
        _ = 1 / 0
    assert client().get_registered_model("toys").tags == {}


@pytest.mark.parametrize("ticket", [0, 1])
def test_a_process_of_an_earlier_version_goes_first_where_its_ticket_is_smaller(mlflow_store: Path, ticket: int) -> None:
    """The tag is spelled here as version 0.1.0 writes it."""
    store, other = client(), "darkroom.lock.0123456789ab"
    store.create_registered_model("toys")
    store.set_registered_model_tag("toys", other, json.dumps({"ticket": ticket, "owner": owner_tags()}))
    entered = threading.Event()

    def enter() -> None:
        with ticket_lock("toys"):
            entered.set()

    thread = threading.Thread(target=enter)
    thread.start()
    assert not entered.wait(0.5)
    if ticket == 0:  # the other has chosen now, after it has seen the ticket of this version
        store.set_registered_model_tag("toys", other, json.dumps({"ticket": 7, "owner": owner_tags()}))
    else:
        store.delete_registered_model_tag("toys", other)
    assert entered.wait(20)
    thread.join()


def test_an_earlier_version_sees_a_ticket_as_its_own_are(mlflow_store: Path) -> None:
    store = client()
    store.create_registered_model("toys")
    with ticket_lock("toys"):
        ((key, value),) = store.get_registered_model("toys").tags.items()
    assert re.fullmatch("darkroom\\.lock\\.[0-9a-f]{12}", key)
    assert json.loads(value) == {"ticket": 1, "owner": owner_tags()}
