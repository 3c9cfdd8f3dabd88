"""Pins what `pipelines.run.local` knows of kfp's wording, on a real pipeline in real processes."""

import os
import signal
from collections.abc import Sequence
from pathlib import Path

import pytest
from kfp import dsl
from kfp.dsl import Artifact, Dataset, Input, Output

from darkroom.notes import Note
from darkroom.system.errors import InputError
from pipelines.run.failures import StepFailedError
from pipelines.run.local import Execution, execute


@dsl.component(base_image="python", install_kfp_package=False)
def make_component(numbers: Output[Dataset], count: int):
    from pathlib import Path

    print(f"made {count} numbers")
    Path(numbers.path).write_text(" ".join(map(str, range(count))))


@dsl.component(base_image="python", install_kfp_package=False)
def add_component(numbers: Input[Dataset], total: Output[Artifact], failure: str):
    import json
    import os
    import signal
    from pathlib import Path

    if failure == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if failure:
        reason = {"kind": failure, "type": "ZeroDivisionError", "message": "the count is 0: give at least 1"}
        (Path(total.path).parent / "error.json").write_text(json.dumps(reason))
        raise ZeroDivisionError("the count is 0: give at least 1")
    Path(total.path).write_text(str(sum(map(int, Path(numbers.path).read_text().split()))))


@dsl.pipeline(name="sums")
def sums(count: int, failure: str) -> Artifact:
    made = make_component(count=count)
    first = add_component(numbers=made.outputs["numbers"], failure="")
    second = add_component(numbers=made.outputs["numbers"], failure=failure).after(first).set_display_name("add_again")
    return second.outputs["total"]


class Recorder:
    def __init__(self) -> None:
        self.events: list[tuple[str, ...]] = []

    def started(self, step: str) -> None:
        self.events.append(("started", step))

    def progressed(self, step: str, line: str) -> None:
        self.events.append(("progressed", step, line))

    def finished(self, step: str, seconds: float, cached: bool) -> None:
        self.events.append(("finished", step, "cached" if cached else "ran"))

    def told(self, step: str, notes: Sequence[Note]) -> None:
        self.events.append(("told", step, *map(str, notes)))

    def failed(self, step: str, seconds: float) -> None:
        self.events.append(("failed", step))


def run_sums(folder: Path, name: str, *, count: int = 4, failure: str = "", off: Sequence[str] = ()) -> tuple[Execution, Recorder]:
    recorder = Recorder()
    arguments = {"count": count, "failure": failure}
    places = {"root": folder / name, "cache": folder / "cache", "logs": folder / name / "logs"}
    return execute(sums, arguments, view=recorder, off=off, **places), recorder


def test_a_run_tells_its_steps_and_keeps_a_log_of_each(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    execution, recorder = run_sums(tmp_path, "first")
    assert [event for event in recorder.events if event[0] != "progressed"] == [
        ("started", "make"),
        ("finished", "make", "ran"),
        ("started", "add"),
        ("finished", "add", "ran"),
        ("started", "add_again"),
        ("finished", "add_again", "ran"),
    ]
    assert ("progressed", "make", "made 4 numbers") in recorder.events
    assert not any("executor_input" in event[-1] for event in recorder.events)
    assert "made 4 numbers" in (tmp_path / "first" / "logs" / "make.log").read_text().split("\n")
    assert Path(execution.outputs["Output"].path).read_text() == "6"
    assert capsys.readouterr().out == ""


def test_the_second_run_comes_from_the_cache_until_an_argument_changes(tmp_path: Path) -> None:
    run_sums(tmp_path, "first")
    again, recorder = run_sums(tmp_path, "again")
    assert {step: how["cached"] for step, how in again.steps.items()} == {"make": True, "add": True, "add_again": True}
    assert ("finished", "make", "cached") in recorder.events
    assert (tmp_path / "again" / "logs" / "make.log").read_text() == "taken from the cache\n"
    changed, _ = run_sums(tmp_path, "changed", count=5)
    assert not any(how["cached"] for how in changed.steps.values())
    assert Path(changed.outputs["Output"].path).read_text() == "10"


def test_a_step_that_is_off_is_in_no_list(tmp_path: Path) -> None:
    execution, recorder = run_sums(tmp_path, "first", off=["add"])
    assert list(execution.steps) == ["make", "add_again"]
    assert "add" not in {step for _, step, *_ in recorder.events}


def test_a_failure_names_the_step_the_error_and_the_log(tmp_path: Path) -> None:
    with pytest.raises(StepFailedError) as caught:
        run_sums(tmp_path, "run", failure="internal")
    log = tmp_path / "run" / "logs" / "add_again.log"
    assert str(caught.value) == f"add_again failed: ZeroDivisionError: the count is 0: give at least 1 (log: {log})"
    assert "Traceback (most recent call last)" in log.read_text()


def test_a_users_mistake_in_a_step_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^the count is 0: give at least 1$"):
        run_sums(tmp_path, "run", failure="input")


def test_a_killed_step_fails_the_run(tmp_path: Path) -> None:
    assert signal.SIGKILL and os.name == "posix"
    with pytest.raises(StepFailedError, match="ZeroDivisionError"):
        run_sums(tmp_path, "run", failure="internal")  # what an earlier attempt has written down tells nothing of this one
    with pytest.raises(StepFailedError, match=r"add_again failed: its process ended without a message, as when it is killed"):
        run_sums(tmp_path, "run", failure="kill")
