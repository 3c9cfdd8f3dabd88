"""The study: which trial comes next, and what trials say of settings; without a training."""

import itertools
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import optuna
import pytest
from optuna.trial import TrialState

from components.tune import study as studies
from components.tune.config import TuneConfig
from components.tune.space import parameters_of
from darkroom.system.config import parse
from darkroom.system.processes import owner_tags
from darkroom.tracking.tags import HOST, PROCESS_STARTED

GRID = {"train.dropout": [0.0, 0.2, 0.4], "train.optimizer": ["adam", "sgd"]}


def config_of(**values):
    return parse(TuneConfig, "tune", {"enabled": True, "search": GRID, **values})


def run(config, folder, score=lambda values: 0.5, num_trials=100, name="study"):
    """Ends up to so many trials with what `score` says of their settings; gives these settings."""
    folder.mkdir(exist_ok=True)
    space, study, tried = parameters_of(config.search), studies.open_study(config, name, folder), []
    while len(tried) < num_trials and (trial := studies.next_trial(study, config, space)):
        tried.append(studies.values_of(study, trial, config, space))
        studies.finish(study, trial, TrialState.COMPLETE, score(tried[-1]))
    return tried


def test_a_grid_has_each_combination_once_after_the_settings_as_they_are(tmp_path):
    first, *others = run(config_of(sampler="grid"), tmp_path)
    assert first == {}
    wanted = [dict(zip(GRID, values, strict=True)) for values in itertools.product(*GRID.values())]
    assert sorted(others, key=str) == sorted(wanted, key=str)


@pytest.mark.parametrize("sampler", ["tpe", "random", "grid"])
def test_a_search_that_was_interrupted_tries_what_it_would_have_tried(tmp_path, sampler):
    search = GRID | ({"train.learning_rate": {"low": 1e-4, "high": 1e-2, "log": True}} if sampler != "grid" else {})
    config = config_of(sampler=sampler, search=search, num_trials=16)

    def score(values):
        return -values.get("train.dropout", 0.9)

    whole = run(config, tmp_path / "whole", score)
    parts = run(config, tmp_path / "parts", score, num_trials=3) + run(config, tmp_path / "parts", score)
    assert parts == whole
    assert len(whole) == (7 if sampler == "grid" else 16)
    assert sampler == "grid" or run(config_of(sampler=sampler, search=search, seed=1), tmp_path / "other", score, 5) != whole[:5]


def test_a_trial_of_another_process_is_taken_over_only_when_that_is_gone(tmp_path):
    config = config_of(storage=str(tmp_path / "shared.log"), abandoned_min=1)
    study, space = studies.open_study(config, "study", tmp_path), parameters_of(GRID)
    running = studies.next_trial(study, config, space)
    assert studies.next_trial(study, config, space).number == 1  # trial 0 is this process's, which lives
    running.set_user_attr(studies.OWNER, owner_tags() | {HOST: "elsewhere"})
    assert studies.next_trial(study, config, space).number == 2
    running.set_user_attr(studies.SEEN, time.time() - 61)
    assert studies.next_trial(study, config, space).number == 0
    running.set_user_attr(studies.OWNER, owner_tags() | {PROCESS_STARTED: "0.0"})  # such as after a kill
    assert studies.next_trial(study, config, space).number == 0


def test_processes_that_begin_at_once_take_a_trial_each(tmp_path):
    config, begins = config_of(storage=f"sqlite:///{tmp_path / 'shared.db'}"), threading.Barrier(4)
    space, all_studies = parameters_of(GRID), [studies.open_study(config, "study", tmp_path) for _ in range(4)]

    def take(study):  # with connections of its own, as a process has
        begins.wait()
        return studies.next_trial(study, config, space).number

    with ThreadPoolExecutor(4) as threads:
        assert sorted(threads.map(take, all_studies)) == [0, 1, 2, 3]


def test_other_data_or_settings_have_another_study(tmp_path):
    (tmp_path / "vectors").mkdir()
    for name in ("examples", "vectors/a.arrow"):
        (tmp_path / name).write_bytes(b"a")
    contents = {"examples": tmp_path / "examples", "vectors": tmp_path / "vectors"}
    names = [studies.study_name(contents, {"epochs": 3}), studies.study_name(contents, {"epochs": 4})]
    for name in contents:
        (tmp_path / ("examples" if name == "examples" else "vectors/a.arrow")).write_bytes(b"b")
        names.append(studies.study_name(contents, {"epochs": 3}))
    assert len(set(names)) == 4


def test_importance_is_the_share_of_what_the_score_varies_with(tmp_path):
    config = config_of(sampler="grid")
    run(config, tmp_path, lambda values: values.get("train.dropout", 0.0) + 0.01 * (values.get("train.optimizer") == "adam"))
    study = studies.open_study(config, "study", tmp_path)
    found = studies.importances(study, seed=0)
    assert list(found) == ["train.dropout", "train.optimizer"]
    assert found["train.dropout"] > 0.9
    assert sum(found.values()) == pytest.approx(1)
    assert studies.importances(study, seed=0) == found
    assert studies.importances(optuna.create_study(), seed=0) == {}
