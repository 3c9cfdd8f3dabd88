"""Searches to the last page: on a real store that holds more runs than one answer has."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from darkroom.registry.lookup import PIPELINE_RUN, matching_run, matching_runs
from darkroom.system.errors import InputError
from darkroom.tracking.client import client
from darkroom.tracking.search import DELETED, all_pages, has_tag, newest_run, running, search_runs, tag_is
from darkroom.tracking.tags import DATA_VERSION, STEP


@pytest.fixture
def store(mlflow_store: Path) -> Path:
    """A store with one experiment `toys`, written to directly: thousands of runs take minutes by way of MLflow."""
    client().create_experiment("toys")
    return mlflow_store / "mlflow.db"


def insert(store: Path, number: int, tag: str, status: str = "FINISHED") -> None:
    experiment = client().get_experiment_by_name("toys").experiment_id
    ids = [f"{place:032x}" for place in range(number)]
    with closing(sqlite3.connect(store)) as database:
        database.executemany(
            "INSERT INTO runs (run_uuid, name, source_name, entry_point_name, source_version, user_id, source_type, status, start_time, "
            "lifecycle_stage, artifact_uri, experiment_id) "
            f"VALUES (?, 'toy', '', '', '', 'anna', 'LOCAL', '{status}', ?, 'active', 'x', {experiment})",
            [(run_id, place) for place, run_id in enumerate(ids)],
        )
        database.executemany(f"INSERT INTO tags (key, value, run_uuid) VALUES ('{tag}', 'v', ?)", [(run_id,) for run_id in ids])
        database.commit()


def test_a_search_goes_on_past_the_first_answer(store: Path) -> None:
    insert(store, 2100, DATA_VERSION, "RUNNING")
    found = search_runs(tag_is(DATA_VERSION, "v"))
    assert [run.info.start_time for run in found] == list(range(2099, -1, -1))
    assert len(running(PIPELINE_RUN)) == 2100
    assert matching_runs("last") == [f"{2099:032x}"]
    newest = newest_run(PIPELINE_RUN)
    assert newest is not None and newest.info.start_time == 2099


def test_what_is_deleted_is_found_only_where_it_is_looked_for(store: Path) -> None:
    insert(store, 3, STEP)
    client().delete_run(f"{1:032x}")
    assert [len(search_runs(has_tag(STEP), view=view)) for view in (1, DELETED)] == [2, 1]
    assert search_runs(has_tag(DATA_VERSION)) == []
    assert newest_run(has_tag(DATA_VERSION)) is None


def test_a_search_in_no_experiment_finds_nothing(store: Path) -> None:
    insert(store, 1, STEP)
    assert search_runs(has_tag(STEP), []) == []


def test_more_models_than_an_answer_holds_are_listed(mlflow_store: Path) -> None:
    for number in range(5):
        client().create_registered_model(f"toys {number}")
    assert len(all_pages(client().search_registered_models, max_results=2)) == 5


@pytest.mark.parametrize(
    ("name", "meant"), [("last", "beef"), ("beef", "beef"), ("be", "beef"), ("bad", "bad1"), ("bad1", "bad1"), ("beef5", None), ("", None)]
)
def test_a_run_is_found_by_its_id_a_beginning_or_as_the_last(name: str, meant: str | None) -> None:
    known = ["beef", "bad1"]
    if meant:
        assert matching_run(name, known) == meant
    else:
        with pytest.raises(InputError, match="means 0 runs"):
            matching_run(name, known)


def test_a_beginning_that_two_runs_share_means_neither() -> None:
    with pytest.raises(InputError, match=r"'b' means 2 runs.*the newest are beef, bad1"):
        matching_run("b", ["beef", "bad1"])


def test_without_any_run_there_is_none_to_choose() -> None:
    with pytest.raises(InputError, match="start one with `darkroom run`"):
        matching_run("last", [])
