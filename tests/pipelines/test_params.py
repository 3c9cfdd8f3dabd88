"""A run says which version of the evaluation set it was evaluated on, and refuses another than the settings name."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from darkroom.system.errors import InputError
from darkroom.versions.data_version import data_version, dvc_md5
from darkroom.versions.environment import device
from darkroom.versions.weights_version import weights_version
from pipelines.flow import switched_off
from pipelines.params import arguments, complete, for_gpus, frozen, named_sources, on_this_machine, read_settings, settled
from pipelines.plan import key_of, make_plan
from pipelines.training import FLOW
from tests.pipelines.conftest import OFF, ROOT, shapes

PARAMS = ROOT / "params.yaml"


def test_the_version_stands_in_the_settings_and_in_the_key(tmp_path: Path) -> None:
    data, own = shapes(tmp_path / "shapes", num_images=2), shapes(tmp_path / "own", num_images=1, seed=1)
    settings = [f"evaluate.data={own}"]
    before = make_plan(data, settings, PARAMS)
    assert before.params["evaluate"]["data_version"] == data_version(own)
    (own / "left" / "left 00.png").unlink()
    after = make_plan(data, settings, PARAMS)
    assert key_of(before) != key_of(after)
    assert before.version == after.version


def test_another_version_than_the_settings_name_is_refused(tmp_path: Path) -> None:
    own = shapes(tmp_path / "own", num_images=1)
    with pytest.raises(
        InputError, match=r"evaluate\.data is .*own, which is now version \w+\.dir, not the older of evaluate\.data_version"
    ):
        make_plan(own, [f"evaluate.data={own}", "evaluate.data_version=older"], PARAMS)


def test_a_version_by_the_rule_of_earlier_releases_is_the_same_set(tmp_path: Path) -> None:
    own = shapes(tmp_path / "own", num_images=1)
    (own / "README.md").write_text("about")
    settings = frozen({"evaluate": {"data": str(own), "data_version": dvc_md5(own)}})
    assert settings["evaluate"]["data_version"] == data_version(own) != dvc_md5(own)


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nowhere does not exist"):
        frozen({"evaluate": {"data": str(tmp_path / "nowhere"), "data_version": ""}})
    with pytest.raises(InputError, match=r"evaluate\.data is empty: name a source"):
        frozen({"evaluate": {"data": "", "data_version": "1.dir"}})


def test_images_without_labels_have_a_version_where_they_are_learnt_from(tmp_path: Path) -> None:
    data, own = shapes(tmp_path / "shapes", num_images=2), shapes(tmp_path / "own", num_images=1, seed=1)
    off, on = (make_plan(data, [f"pretrain.data={own}", f"pretrain.enabled={word}"], PARAMS).params for word in ("false", "true"))
    assert (off["pretrain"]["data_version"], on["pretrain"]["data_version"]) == ("", data_version(own))
    assert (named_sources(off), named_sources(on)) == ([], [own])
    given = [arguments(settings) for settings in (off, on)]
    assert given[0]["pretrain"] == {"enabled": False}
    assert [one["unlabelled_data"] for one in given] == ["", str(own)]
    assert [one["unlabelled_version"] for one in given] == ["", data_version(own)]
    assert given[1]["ingest_unlabelled"]["unlabelled"] is True
    sections = {task: switched_off(FLOW, one) for task, one in zip(("off", "on"), given, strict=True)}
    assert sections == {"off": OFF, "on": OFF - {"pretrain", "ingest_unlabelled"}}


@pytest.mark.parametrize("step", ["embed", "train"])
def test_the_content_of_weights_that_are_named_stands_in_the_settings_and_in_the_key(step: str, tmp_path: Path) -> None:
    data, weights = shapes(tmp_path / "shapes", num_images=1), tmp_path / "own.pth"
    settings, plans = [f"{step}.weights={weights}"], []
    for content in (b"one", b"two"):
        weights.write_bytes(content)
        plans.append(make_plan(data, settings, PARAMS))
    versions = [plan.params[step]["weights_version"] for plan in plans]
    assert versions[1] == weights_version(str(weights)) != versions[0]
    assert key_of(plans[0]) != key_of(plans[1])
    with pytest.raises(InputError, match=rf"{step}\.weights is .*own\.pth, which is now version {versions[1]}, not the {versions[0]}"):
        frozen(plans[0].params)


@pytest.mark.parametrize("settings", [{"ingest": {"unlabelled": True}}, {"evaluate": {"ingest": {"unlabelled": True}}}])
def test_what_is_trained_and_evaluated_on_has_labels(settings: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=r"ingest\.unlabelled is true, .* pretrain\.data"):
        complete(settings)


def test_without_a_set_the_settings_stay_as_they_are() -> None:
    settings = {"evaluate": {"data": "", "data_version": ""}, "train": {"epochs": 3}}
    assert frozen(settings) == settings


@pytest.mark.parametrize(("limit", "epochs", "known"), [(5.0, "auto", True), (0.0, "auto", False), (5.0, 3, False)])
def test_the_processor_counts_where_a_time_limit_is_measured_on_it(limit: float, epochs: object, known: bool) -> None:
    train = {"time_limit_min": limit, "epochs": epochs, "processor": ""}
    assert on_this_machine({"train": train}, 1)["train"]["processor"] == (device() if known else "")
    assert train["processor"] == ""


@pytest.mark.parametrize(
    ("number", "changes", "processes"),
    [(1, {}, "auto"), (4, {}, 4), (4, {"num_processes": 2}, 2), (4, {"device": "cpu"}, "auto")],
)
def test_the_number_of_gpus_counts_where_training_uses_all(number: int, changes: dict[str, object], processes: object) -> None:
    settings = complete({"train": changes})
    assert for_gpus(settings, number)["train"]["num_processes"] == processes


@pytest.mark.parametrize(
    ("measures", "changed"),
    [
        ({"settled_epochs": 4.0, "side_px": 128.0, "num_epochs": 3.0}, {"epochs": 4, "side_px": 128}),
        ({"settled_epochs": 0.0, "side_px": 224.0}, {"model": "probe"}),
        ({"side_px": 128.0, "num_epochs": 3.0}, {}),
        ({"compiled": 1.0}, {"compile": "on"}),
        ({"compiled": 0.0}, {"compile": "off"}),
    ],
)
def test_what_a_run_had_measured_and_settled_is_set_by_hand(measures: dict[str, float], changed: dict[str, object]) -> None:
    train = {"time_limit_min": 5.0, "epochs": "auto", "side_px": "auto", "model": "auto", "compile": "auto"}
    assert settled({"train": train, "split": {}}, measures) == {"train": {**train, **changed}, "split": {}}


def test_folds_and_a_limit_of_the_time_are_refused_before_anything_runs() -> None:
    both = {"split": {"num_folds": 5}, "train": {"time_limit_min": 10.0}}
    with pytest.raises(InputError, match=r"split\.num_folds is 5, and train\.time_limit_min is 10"):
        complete(both)
    for counts_for_nothing in ({"epochs": 3}, {"model": "probe"}):
        complete({**both, "train": {**both["train"], **counts_for_nothing}})


def test_a_network_that_learns_without_labels_is_refused_beside_a_model_without_one() -> None:
    sections: dict[str, dict[str, object]] = {"pretrain": {"enabled": True}, "train": {"model": "random_forest"}}
    with pytest.raises(
        InputError, match=r"pretrain\.enabled is true, but train\.model is 'random_forest', which is learnt from embeddings"
    ):
        complete(sections)
    short = settled({**sections, "train": {"model": "auto"}}, {"settled_epochs": 0.0})  # there was not the time for a network
    assert (short["train"]["model"], short["pretrain"]["enabled"]) == ("probe", False)
    complete(short)


@pytest.mark.parametrize(
    ("model", "search", "words"),
    [
        ("probe", {"train.dropout": [0.0, 0.2]}, r"tune\.search names train\.dropout, which probe .* or search train\.regularization"),
        ("random_forest", {"train.num_trees": [50, 100], "augment.crop": [0.0, 0.1]}, r"names augment\.crop, .* search train\.num_trees"),
        ("small_cnn", {"train.momentum": [0.8]}, r"names train\.momentum, which no trial reads, as train\.optimizer is adamw: leave"),
        ("decision_tree", {"train.regularization": [1.0]}, r"names train\.regularization, .* set tune\.enabled to false"),
    ],
)
def test_a_search_of_what_the_model_does_not_read_is_refused(tmp_path: Path, model: str, search: dict[str, Any], words: str) -> None:
    def read(enabled: bool, **also: Any) -> None:
        (tmp_path / "params.yaml").write_text(yaml.safe_dump(sections(enabled, **also)))
        read_settings([], tmp_path / "params.yaml")

    def sections(enabled: bool, **also: Any) -> dict[str, Any]:
        return {"train": {"model": model}, "tune": {"enabled": enabled, "search": {**search, **also}}}

    with pytest.raises(InputError, match=words):
        read(True)
    read(False)
    read(True, **{"train.model": ["auto", model]})
    complete(sections(True))  # as a run from before has them, which is repeated


def test_the_measure_of_register_reaches_train_and_its_cache_only_where_the_floor_may_take_the_networks_place() -> None:
    def given(**changes: str) -> str:
        settings = complete({"train": {"floor": changes["floor"]}, "register": {"measure": changes["measure"]}})
        return str(arguments(settings)["floor_measure"])

    assert given(floor="register", measure="accuracy") == "accuracy"
    assert given(floor="register", measure="roc_auc") == "roc_auc"
    assert {given(floor=floor, measure=measure) for floor in ("require", "report") for measure in ("accuracy", "roc_auc")} == {""}
