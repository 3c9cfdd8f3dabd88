"""Registering in a real MLflow store: versions, aliases, what the runs keep, and crashes in between."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from components.register.config import RegisterConfig
from components.register.register import register
from darkroom.evaluation import read_headline, read_predictions
from darkroom.outcome import identifiers
from darkroom.registry import fetch
from darkroom.registry.champion import alias_lock, move, moves
from darkroom.registry.fetch import OUTCOME_KEPT
from darkroom.registry.registry import aliases, champion, set_alias, versions
from darkroom.system.errors import InputError
from darkroom.system.files import read_json
from darkroom.tracking.runs import client, finish_run, start_run
from darkroom.tracking.tags import (
    COMPARED_WITH,
    DECISION,
    FORGOTTEN,
    GAIN,
    GAIN_INTERVAL,
    KUBEFLOW_RUN,
    KUBEFLOW_TAG,
    P_VALUE,
    REASON,
    SHA256,
)
from tests.finished import Finished, make
from tests.stores import use_copy

GOOD, BAD = "a" * 32 + ".dir", "b" * 32 + ".dir"


After = Callable[[str], Path]


@pytest.fixture(scope="session")
def good(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """A run with a good full model."""
    return make(tmp_path_factory.mktemp("good"), data_version=GOOD)


@pytest.fixture(scope="session")
def bad(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """A run on the same images, under another data version, with a bad model."""
    return make(tmp_path_factory.mktemp("bad"), data_version=BAD, noise=3.0)


def go(
    work: Finished, into: Path, monkeypatch: pytest.MonkeyPatch, previous: Path | None = None, **settings: Any
) -> tuple[str, dict[str, float], dict[str, Any]]:
    """Registers within a run; gives the run's id, what was measured, and the outcome."""
    run_id = start_run("toys", "run", {"train": {"epochs": 4}}, {}, "toys", "1")
    monkeypatch.setenv("MLFLOW_RUN_ID", run_id)
    outcome = into / run_id / "outcome"
    measures = register(
        work.artifacts,
        outcome=outcome,
        config=RegisterConfig(**settings),
        name="toys",
        params={"train": {"epochs": 4}},
        previous=previous,
        summary=into / run_id / "summary",
    )
    finish_run(run_id, "FINISHED")
    return run_id, measures, read_json(outcome)


FLOOR_GAIN = {"gain": "", "low": "_low", "high": "_high", "p_value": "_p_value"}  # of the JSON, and how MLflow's names of them end


@pytest.fixture(scope="module")
def databases(migrated_store: Path, good: Finished, bad: Finished, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Databases of stores in which models were registered one after the other."""
    folder, found = tmp_path_factory.mktemp("databases"), {"": migrated_store}
    for name, before, work in (("bad", "", bad), ("bad, good", "bad", good), ("good", "", good)):
        with pytest.MonkeyPatch.context() as patch:
            found[name] = use_copy(found[before], folder / name, patch)
            go(work, folder / name, patch)
    return found


@pytest.fixture
def after(databases: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> After:
    """Begins with a store in which models are registered, such as `bad, good`."""
    return lambda models: use_copy(databases[models], tmp_path / "mlflow-store", monkeypatch)


def test_the_first_version_is_the_champion(mlflow_store: Path, tmp_path: Path, good: Finished, monkeypatch: pytest.MonkeyPatch) -> None:
    run_id, measures, outcome = go(good, tmp_path, monkeypatch)
    assert measures == {"version": 1.0, "champion": 1.0, "dropped": 2.0}
    assert outcome["model"] == {"name": "toys", "version": 1, "alias": "champion", "variant": "full"}
    assert outcome["metrics"] == read_headline(good.artifacts.evaluation)
    assert outcome["pruned"]["metrics"] == read_headline(good.artifacts.pruned_evaluation)
    assert outcome["pruned"]["latency_ratio"] == 0.45
    assert (outcome["decision"], outcome["dropped"]) == ("champion", 2)
    (version,) = versions("toys")
    assert version.run_id == run_id
    assert version.tags["darkroom.data_version"] == GOOD
    assert version.tags["darkroom.previous"] == "none"
    assert (version.tags["variant"], version.tags["task"], version.tags["f1_macro"]) == ("full", "multiclass", "1.0000")
    assert version.tags[REASON] == outcome["reason"]
    assert outcome["reason"].startswith(
        "there was no champion yet; on 12 test images its f1_macro of 1.0000 is better than the 0.1667 of always answering 'cat' (+0.8333, "
    )


def test_a_first_model_that_is_no_better_than_a_constant_answer_stays_challenger(
    mlflow_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = make(tmp_path / "work", noise=50.0, seed=2)
    _, measures, outcome = go(work, tmp_path, monkeypatch, measure="accuracy")
    assert outcome["metrics"]["accuracy"] <= 1 / 3
    assert (outcome["model"]["alias"], measures["champion"]) == ("challenger", 0.0)
    assert "there was no champion yet; on 12 test images its accuracy of" in outcome["reason"]
    assert aliases("toys") == {"challenger": 1}


def test_the_run_shows_measures_curves_and_pictures(
    mlflow_store: Path, tmp_path: Path, good: Finished, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(KUBEFLOW_RUN, "0f0e")
    run_id, _, outcome = go(good, tmp_path, monkeypatch)
    store, run = client(), client().get_run(run_id)
    assert run.data.tags[KUBEFLOW_TAG] == "0f0e"
    assert read_json(Path(store.download_artifacts(run_id, OUTCOME_KEPT, str(tmp_path)))) == outcome
    assert identifiers(str(tmp_path / run_id / "outcome")) == ("toys", "1", run_id)
    assert (tmp_path / run_id / "summary").read_text() == run.data.tags["mlflow.note.content"] + "\n"
    assert run.data.metrics["accuracy"] == run.data.metrics["pruned/accuracy"] == 1.0
    assert run.data.metrics["latency_ratio"] == 0.45
    beside = outcome["floor"]["difference"]
    assert {name: run.data.metrics[f"floor/gain{ending}"] for name, ending in FLOOR_GAIN.items()} == {
        name: beside[name] for name in FLOOR_GAIN
    }
    assert versions("toys")[0].tags["darkroom.floor"] == "f1_macro 1.0000, the model +0.0000 (95 %: +0.0000 to +0.0000, p = 1.000)"
    curve = [(point.step, point.value) for point in store.get_metric_history(run_id, "train/loss")]
    assert curve == [(1, 1.0), (2, 0.5), (3, 0.3333), (4, 0.25)]
    assert len(store.get_metric_history(run_id, "validation/f1_macro")) == 4
    assert "**toys version 1** (full, alias `champion`)" in run.data.tags["mlflow.note.content"]
    assert "| accuracy | 1.0000 | 1.0000 |" in run.data.tags["mlflow.note.content"]
    top = {entry.path for entry in store.list_artifacts(run_id)}
    assert top >= {"outcome.json", "figures", "images", "split", "evaluation", "evaluation_pruned", "bundles", "issues.parquet"}
    assert [entry.path for entry in store.list_artifacts(run_id, "bundles")] == ["bundles/pruned"]
    assert "figures/confusion_matrix.png" in {entry.path for entry in store.list_artifacts(run_id, "figures")}
    shown = [entry.path for entry in store.list_artifacts(run_id, "images")]
    assert "images/contact_sheet.png" in shown
    assert len(shown) > 1


def test_the_same_model_again_is_the_version_that_it_is(
    mlflow_store: Path, tmp_path: Path, good: Finished, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, first, outcome = go(good, tmp_path, monkeypatch)
    run_id, second, again = go(good, tmp_path, monkeypatch)
    assert (first, {**outcome, "run_id": run_id, "repeated": True}) == (second, again)
    assert len(versions("toys")) == 1
    run = client().get_run(run_id)
    assert run.data.metrics["accuracy"] == 1.0
    assert run.data.tags["darkroom.model_version"] == "1"


@pytest.mark.slow
def test_a_measured_latency_makes_no_new_model(
    mlflow_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    work = make(tmp_path / "work", met=True)
    go(work, tmp_path, monkeypatch)
    card = work.artifacts.pruned_model / "model.json"
    card.write_text(card.read_text().replace("1.5", "1.7").replace("0.45", "0.55").replace("45%", "55%"))
    _, _, outcome = go(work, tmp_path, monkeypatch)
    assert outcome["model"] == {"name": "toys", "version": 1, "alias": "champion", "variant": "pruned"}
    assert outcome["pruned"]["latency_ratio"] == 0.55


@pytest.mark.slow
def test_the_run_s_accuracy_is_the_full_model_s_whichever_is_registered(
    mlflow_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = make(tmp_path / "work", met=True, noise=0.3)
    run_id, _, outcome = go(work, tmp_path, monkeypatch)
    assert outcome["model"]["variant"] == "pruned"
    points = client().get_metric_history(run_id, "log_loss")
    assert [point.value for point in points] == [read_headline(work.artifacts.evaluation)["log_loss"]]
    pruned = {point.value for point in client().get_metric_history(run_id, "pruned/log_loss")}
    assert pruned == {read_headline(work.artifacts.pruned_evaluation)["log_loss"]}
    assert pruned != {points[0].value}


def test_a_better_model_is_promoted_and_a_worse_one_is_not(
    after: After, tmp_path: Path, good: Finished, monkeypatch: pytest.MonkeyPatch
) -> None:
    after("bad")
    _, _, better = go(good, tmp_path, monkeypatch)
    assert better["model"]["alias"] == "champion"
    assert better["reason"].startswith(
        "on 12 shared test images its f1_macro of 1.0000 is better than version 1's 0.2222 (+0.7778, 95 % interval "
    )
    worse = make(tmp_path / "worse", data_version="c" * 32, noise=2.0)
    _, measures, outcome = go(worse, tmp_path, monkeypatch)
    assert (outcome["model"]["version"], outcome["model"]["alias"], measures["champion"]) == (3, "challenger", 0.0)
    assert "is worse than version 2's 1.0000" in outcome["reason"]
    assert aliases("toys") == {"champion": 2, "challenger": 3}
    tags = versions("toys")[0].tags
    compared = json.loads(tags["darkroom.comparison"])
    assert (tags[DECISION], compared["rival"], compared["comparison"]["num_shared"]) == ("challenger", 2, 12)
    main = compared["comparison"]["differences"][0]
    assert (tags[COMPARED_WITH], tags[GAIN]) == ("version 2", f"f1_macro {main['score'] - 1:+.4f}")
    assert (tags[P_VALUE], tags[GAIN_INTERVAL]) == (f"{main['p_value']:.4g}", f"{main['low']:+.4f} to {main['high']:+.4f}")
    assert outcome["comparison"] == compared["comparison"]
    assert outcome["limits"] == compared["limits"]


@pytest.mark.slow
def test_a_then_b_then_a_leaves_the_champion_with_b(
    mlflow_store: Path, tmp_path: Path, good: Finished, bad: Finished, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "previous"
    assert fetch.previous_assignment("toys", BAD, place) is None
    go(bad, tmp_path, monkeypatch)
    continued = fetch.previous_assignment("toys", GOOD, place)
    assert continued is not None
    assert continued.read_bytes() == bad.artifacts.splits.read_bytes()
    go(good, tmp_path, monkeypatch, previous=continued)
    assert fetch.previous_assignment("toys", BAD, place) is None
    _, _, outcome = go(bad, tmp_path, monkeypatch)
    assert outcome["model"] == {"name": "toys", "version": 1, "alias": "", "variant": "full"}
    assert aliases("toys") == {"champion": 2}
    assert fetch.previous_assignment("toys", GOOD, place) == continued
    assert fetch.previous_assignment("toys", "c" * 32, place) != continued


def test_a_crash_before_the_alias_moved_is_made_good(after: After, tmp_path: Path, good: Finished, monkeypatch: pytest.MonkeyPatch) -> None:
    after("bad")

    def crash(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as broken, pytest.raises(KeyboardInterrupt):
        broken.setattr("darkroom.registry.champion.set_alias", crash)
        go(good, tmp_path, monkeypatch)
    assert aliases("toys") == {"champion": 1}
    assert DECISION not in versions("toys")[0].tags
    _, _, outcome = go(good, tmp_path, monkeypatch)
    assert outcome["model"] == {"name": "toys", "version": 2, "alias": "champion", "variant": "full"}
    assert len(versions("toys")) == 2


def test_a_crash_after_the_alias_moved_is_made_good(after: After, tmp_path: Path, good: Finished, monkeypatch: pytest.MonkeyPatch) -> None:
    after("bad")

    def move_and_crash(*arguments: Any) -> None:
        set_alias(*arguments)
        raise KeyboardInterrupt

    with monkeypatch.context() as broken, pytest.raises(KeyboardInterrupt):
        broken.setattr("darkroom.registry.champion.set_alias", move_and_crash)
        go(good, tmp_path, monkeypatch)
    _, _, outcome = go(good, tmp_path, monkeypatch)
    assert outcome["reason"].startswith("on 12 shared test images its f1_macro of 1.0000 is better than version 1's 0.2222")
    best = champion("toys")
    assert best is not None
    assert (best.number, best.tags[DECISION]) == (2, "champion")
    assert [(one.version, one.sealed) for one in moves("toys")] == [(1, True), (2, True)]


def test_the_run_behind_a_version_gets_its_results_though_it_was_killed_before_it_kept_them(
    mlflow_store: Path, tmp_path: Path, good: Finished, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as broken, pytest.raises(KeyboardInterrupt):
        broken.setattr("components.register.register.keep_results", crash)
        go(good, tmp_path, monkeypatch)
    (version,) = versions("toys")
    assert {entry.path for entry in client().list_artifacts(version.run_id)} >= {"split", "evaluation", "issues.parquet"}
    finish_run(version.run_id, "KILLED")
    run_id, _, _ = go(good, tmp_path, monkeypatch)
    maker, other = client().get_run(version.run_id), client().get_run(run_id)
    assert maker.data.tags["darkroom.model_version"] == "1"
    assert maker.data.metrics == other.data.metrics
    kept = [{entry.path for entry in client().list_artifacts(one.info.run_id)} for one in (maker, other)]
    assert kept[0] == kept[1] | {"bundles"}
    before = client().get_metric_history(version.run_id, "accuracy")
    go(good, tmp_path, monkeypatch)  # once is enough
    assert client().get_metric_history(version.run_id, "accuracy") == before


def test_a_champion_that_changed_since_it_was_compared_is_compared_again(
    after: After, tmp_path: Path, good: Finished, monkeypatch: pytest.MonkeyPatch
) -> None:
    after("bad")
    go(good, tmp_path, monkeypatch, min_gain=0.9)
    assert aliases("toys") == {"champion": 1, "challenger": 2}
    held = []

    @contextmanager
    def promoted_meanwhile(name: str) -> Iterator[None]:
        held.append(name)
        if len(held) == 2:  # the first time is for adding the version
            move(versions("toys")[1], "promote", "it was")
        with alias_lock(name):
            yield

    monkeypatch.setattr("components.register.transaction.alias_lock", promoted_meanwhile)
    middling = make(tmp_path / "middling", data_version="c" * 32, noise=0.3)
    _, _, outcome = go(middling, tmp_path, monkeypatch)
    assert len(held) == 3
    assert aliases("toys") == {"champion": 2, "challenger": 3}
    assert (outcome["rival"], "is worse than version 2's 1.0000" in outcome["reason"]) == (2, True)


def test_a_version_that_another_run_settled_meanwhile_is_not_settled_again(
    mlflow_store: Path, tmp_path: Path, good: Finished, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = []

    @contextmanager
    def settled_meanwhile(name: str) -> Iterator[None]:
        if not started:
            started.append(name)
            go(good, tmp_path, monkeypatch)
        with alias_lock(name):
            yield

    monkeypatch.setattr("components.register.transaction.alias_lock", settled_meanwhile)
    _, _, outcome = go(good, tmp_path, monkeypatch)
    assert outcome["model"] == {"name": "toys", "version": 1, "alias": "champion", "variant": "full"}
    assert [version.number for version in versions("toys")] == [1]
    assert [one.version for one in moves("toys")] == [1]


@pytest.mark.slow
def test_a_model_promoted_by_hand_stays_when_an_old_run_comes_again(
    after: After, tmp_path: Path, good: Finished, monkeypatch: pytest.MonkeyPatch
) -> None:
    after("bad, good")
    move(versions("toys")[1], "promote", "the new one is too slow")
    _, _, outcome = go(good, tmp_path, monkeypatch)
    assert (outcome["model"]["version"], outcome["model"]["alias"]) == (2, "")
    assert aliases("toys") == {"champion": 1}
    _, _, better = go(make(tmp_path / "next", data_version="c" * 32, noise=0.01), tmp_path, monkeypatch)
    assert (better["rival"], better["model"]["alias"]) == (1, "champion")


def test_a_model_that_costs_more_than_its_share_of_the_champion_s_is_not_promoted(
    after: After, tmp_path: Path, good: Finished, monkeypatch: pytest.MonkeyPatch
) -> None:
    after("bad")
    _, _, outcome = go(good, tmp_path, monkeypatch, max_size_ratio=0.5)
    assert outcome["model"]["alias"] == "challenger"
    assert outcome["reason"].endswith(" is more than register.max_size_ratio allows (at most 0.5 of the champion's size)")
    assert [row["name"] for row in outcome["limits"]] == ["min_gain", "promote_if", "max_recall_drop", "max_size_ratio"]


def test_a_champion_whose_answers_are_gone_stays(
    mlflow_store: Path, tmp_path: Path, good: Finished, bad: Finished, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id, _, _ = go(bad, tmp_path, monkeypatch)
    shutil.rmtree(mlflow_store / "mlartifacts" / run_id / "artifacts" / "evaluation")
    _, _, outcome = go(good, tmp_path, monkeypatch)
    assert outcome["reason"] == "it can't be compared: the answers of version 1 were not kept"
    assert aliases("toys") == {"champion": 1, "challenger": 2}


def test_without_a_run_it_opens_one(mlflow_store: Path, tmp_path: Path, good: Finished) -> None:
    register(good.artifacts, tmp_path / "outcome", config=RegisterConfig(name="mine"), name="toys", params={"train": {"epochs": 4}})
    (version,) = versions("mine")
    run = client().get_run(version.run_id)
    assert (run.info.status, run.data.params) == ("FINISHED", {"train.epochs": "4"})


def test_inputs_stay_untouched(mlflow_store: Path, tmp_path: Path, good: Finished, monkeypatch: pytest.MonkeyPatch) -> None:
    root = good.images.parent
    before = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
    go(good, tmp_path, monkeypatch)
    assert {path: path.read_bytes() for path in root.rglob("*") if path.is_file()} == before


def test_a_name_that_the_registry_cannot_keep_is_refused(mlflow_store: Path, tmp_path: Path, good: Finished) -> None:
    with pytest.raises(InputError, match=r"'a/b' can't be a model's name .*: set register\.name, for example to 'a-b'"):
        register(good.artifacts, tmp_path / "outcome", config=RegisterConfig(name="a/b"), name="toys", params={})
    assert list(tmp_path.glob("outcome")) == []


@pytest.mark.parametrize(("classes", "task"), [(("no", "yes"), "binary"), (("a", "b", "c"), "multilabel")])
def test_mlflow_loads_the_model_and_answers_as_the_bundle_does(
    mlflow_store: Path, tmp_path: Path, classes: tuple[str, ...], task: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import mlflow
    import pandas as pd

    from darkroom.images import Images
    from darkroom.model import Predictor, labels_of

    work = make(tmp_path / "work", classes, task)
    go(work, tmp_path, monkeypatch)
    loaded = mlflow.pyfunc.load_model("models:/toys@champion")
    packed = Images(work.images)
    files = [packed[name] for name in list(packed)[:6]]
    answers = loaded.predict(pd.DataFrame({"image": files}))
    predictor = Predictor(work.artifacts.model)
    expected = predictor.predict(files)
    assert list(answers.columns) == ["label", "probability", *(f"probability:{name}" for name in classes)]
    np.testing.assert_array_equal(answers.iloc[:, 2:].to_numpy(), expected.astype(float))
    chosen = labels_of(predictor.card, expected)
    names = ["|".join(np.array(classes)[row.astype(bool)]) for row in chosen] if task == "multilabel" else [classes[row] for row in chosen]
    assert answers["label"].tolist() == names
    example = loaded.input_example
    assert loaded.predict(example)["label"].tolist()[0] is not None
    assert loaded.metadata.signature.inputs.to_dict() == [{"type": "binary", "name": "image", "required": True}]
    assert SHA256 in versions("toys")[0].tags


@pytest.mark.slow
def test_the_registered_model_runs_where_darkroom_is_not_installed(after: After, databases: dict[str, Path], tmp_path: Path) -> None:
    after("good")
    code = """
import sys
sys.path[:] = [path for path in sys.path if not (path and __import__("pathlib").Path(path, "components").exists())]
sys.meta_path[:] = [finder for finder in sys.meta_path if "editable" not in repr(finder).lower()]
import mlflow
model = mlflow.pyfunc.load_model("models:/toys/1")
(module,) = [module for name, module in sys.modules.items() if name.startswith("darkroom_model_") and name.endswith(".model")]
assert not {"darkroom", "components", "pipelines"} & set(sys.modules)
print(model.predict(model.input_example)["label"][0], module.__file__)
"""
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    answer = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=clean, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
    label, place = answer.stdout.split()[-2:]
    assert label in ("cat", "dog", "owl")
    assert Path(place).is_relative_to(databases["good"].parent / "mlartifacts")


def test_what_earlier_versions_had_right_and_a_new_one_has_wrong_is_told(
    after: After, tmp_path: Path, good: Finished, bad: Finished, monkeypatch: pytest.MonkeyPatch
) -> None:
    after("good")
    assert FORGOTTEN not in versions("toys")[0].tags
    run_id, _, outcome = go(bad, tmp_path, monkeypatch)
    before, now = read_predictions(good.artifacts.evaluation), read_predictions(bad.artifacts.evaluation)
    right = before.y_pred == before.y_true
    lost = right & (now.at(before.image_ids).y_pred != before.y_true)
    (row,) = outcome["forgotten"]
    assert (row["version"], row["num_images"], row["num_known"], row["num_forgotten"]) == (1, 12, int(right.sum()), int(lost.sum()))
    assert row["num_forgotten"] > 0
    told = f"version 1: {row['num_forgotten']} of {row['num_known']} forgotten, {row['num_learnt']} learnt"
    assert versions("toys")[0].tags[FORGOTTEN] == told
    assert client().get_run(run_id).data.tags[FORGOTTEN] == told
