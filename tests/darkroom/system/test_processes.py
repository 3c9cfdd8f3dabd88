"""Who stands behind a run, and whether that process still lives."""

import time

import psutil
import pytest

from darkroom.system.processes import is_dead, owner_tags, started_at


def test_a_clock_that_is_set_back_makes_nobody_dead(monkeypatch: pytest.MonkeyPatch) -> None:
    mine, clock = owner_tags(), psutil.boot_time()
    for hours in range(1, 25):
        monkeypatch.setattr(psutil._psplatform, "boot_time", lambda hours=hours: clock - 3600.0 * hours)
        assert psutil.boot_time() == clock - 3600.0 * hours
        assert owner_tags() == mine
        assert not is_dead(mine)


def test_a_process_began_once_and_in_the_past() -> None:
    first = max(started_at() for _ in range(9))  # it reads two clocks, between which a busy machine may make it wait
    time.sleep(0.05)
    assert max(started_at() for _ in range(9)) == pytest.approx(first, abs=0.03)
    assert first < time.monotonic() - 0.05
