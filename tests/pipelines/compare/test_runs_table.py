import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from darkroom.system.errors import InputError
from darkroom.tracking.log import log_measures
from darkroom.tracking.runs import finish_run, start_run
from pipelines.compare.runs_table import Choice, choose, columns, text
from pipelines.history import Record


def record(**given: Any) -> Record:
    facts = {"run_id": "0" * 32, "name": "", "experiment": "shapes", "status": "finished", "started": datetime.now(UTC), "ended": None,
             "params": {}, "metrics": {}, "tags": {}, "source": ""}  # fmt: skip
    return Record(**{**facts, **given})


@pytest.fixture(scope="module")
def four(migrated_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str]]:
    """Four runs, which the tests only read."""
    store = tmp_path_factory.mktemp("listing") / "mlflow.db"
    shutil.copyfile(migrated_store, store)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{store}")
        yield track_four()


def track_four() -> list[str]:
    ids = []
    for epochs, accuracy in ((1, 0.5), (2, 0.9), (10, 0.7), ("auto", None)):
        run_id = start_run("shapes", f"{epochs} epochs", {"train": {"epochs": epochs, "seed": 0}}, {}, "/data", "a" * 32)
        log_measures(run_id, {"accuracy": accuracy, "latency_ratio": 1 - accuracy} if accuracy else {})
        finish_run(run_id, "FINISHED" if accuracy else "FAILED")
        ids.append(run_id)
    return ids


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        (Choice(), [3, 2, 1, 0]),
        (Choice(limit=2), [3, 2]),
        (Choice(best="accuracy"), [1, 2, 0]),
        (Choice(best="latency_ratio"), [1, 2, 0]),  # less is better
        (Choice(where=("train.epochs>1",)), [2, 1]),  # as numbers: 10 is more than 2, and `auto` is none
        (Choice(where=("train.epochs=auto",)), [3]),
        (Choice(where=("accuracy>=0.7", "train.epochs!=10")), [1]),
        (Choice(status="failed"), [3]),
        (Choice(data="b"), []),
        (Choice(since="1h"), [3, 2, 1, 0]),
        (Choice(since="2999-01-01"), []),
    ],
)
def test_runs_are_chosen_and_ordered(four: list[str], choice: Choice, expected: list[int]) -> None:
    assert [run.run_id for run in choose(choice)] == [four[number] for number in expected]


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        (Choice(where=("train.epoch=1",)), "no run has a value 'train.epoch': did you mean train.epochs"),
        (Choice(where=("train.epochs",)), "has not the form NAME=VALUE"),
        (Choice(status="done"), "--status is 'done': give one of running, finished, failed, killed"),
        (Choice(since="yesterday"), "--since is 'yesterday': give a date such as"),
        (Choice(best="acuracy"), "did you mean accuracy"),
    ],
)
def test_what_cant_be_understood_is_named(four: list[str], choice: Choice, message: str) -> None:
    with pytest.raises(InputError, match=message):
        choose(choice)


def test_only_what_tells_the_runs_apart_gets_a_column() -> None:
    same = {"train.seed": "0", "train.epochs": "1"}
    runs = [record(params=same, metrics={"accuracy": 0.5}), record(params={**same, "train.epochs": "2"}, metrics={"accuracy": 0.25})]
    assert columns(runs, []) == ["run", "started", "model", "accuracy", "train.epochs"]
    assert columns(runs, ["train.seed", "accuracy"]) == ["run", "train.seed", "accuracy"]
    assert columns([*runs, record(status="failed")], [])[:3] == ["run", "started", "status"]
    with pytest.raises(InputError, match=r"did you mean train\.seed"):
        columns(runs, ["train.sed"])


def test_values_are_shown_short() -> None:
    run = record(run_id="3f2a" * 8, metrics={"accuracy": 0.123456}, ended=datetime.now(UTC) + timedelta(minutes=3))
    assert [text(run, name) for name in ("run", "accuracy", "minutes", "model", "missing")] == ["3f2a3f2a", "0.1235", "3.0", "", ""]
