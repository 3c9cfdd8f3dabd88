"""The floor beside a network: what the card says, and which of both is the model."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from components.train.config import TrainConfig
from components.train.floor import Floor, decisive, measures_of, noted
from components.train.train import train
from darkroom import manifest
from darkroom.images import Images
from darkroom.model import ModelCard, Predictor, labels_of, read_card
from darkroom.networks.families import CLASSICAL, ON_VECTORS
from darkroom.system.config import parse
from darkroom.system.errors import InputError
from darkroom.training.classical import HeadSettings
from darkroom.training.heads import FittedHead
from darkroom.training.validation import Validated
from tests.components.train import toys

pytestmark = pytest.mark.usefixtures("narrow_network", "no_pictures", "exported_once")
CARD = ModelCard("small_cnn", ("a", "b"), "multiclass", 8, (0.5,) * 3, (0.5,) * 3)


def run(inputs: toys.Inputs, folder: Path, floor_measure: str = "", **settings: Any) -> dict[str, float]:
    config = parse(TrainConfig, "train", {"epochs": 1, "batch_size": 8, "side_px": 8, "num_trees": 10} | settings)
    outputs = {name: folder / name for name in ("model", "floor_model", "history", "learning_curves")}
    return train(**inputs.paths(), **outputs, floor_measure=floor_measure, config=config)


def floor_of(measure: str, **row: float) -> Floor:
    head: Any = type("Head", (), {"settings": HeadSettings()})()
    return Floor(FittedHead(head, (), Validated({f"validation_{name}": value for name, value in row.items()})), Path(), CARD, measure)


@pytest.mark.parametrize(
    ("monitor", "measure", "model", "floor", "falls"),
    [
        ("f1_macro", "", {"f1_macro": 0.7}, {"f1_macro": 0.8}, True),
        ("f1_macro", "", {"f1_macro": 0.8}, {"f1_macro": 0.8}, False),
        ("f1_macro", "", {"f1_macro": 0.9, "loss": 9.0}, {"f1_macro": 0.8, "loss": 0.1}, False),
        ("f1_macro", "accuracy", {"f1_macro": 0.9, "accuracy": 0.8}, {"f1_macro": 0.8, "accuracy": 0.9}, True),
        ("f1_macro", "accuracy", {"f1_macro": 0.7, "accuracy": 0.9}, {"f1_macro": 0.8, "accuracy": 0.8}, False),
        ("f1_macro", "roc_auc", {"f1_macro": 0.7}, {"f1_macro": 0.8}, False),
        ("loss", "", {"loss": 0.9, "log_loss": 0.7}, {"loss": 0.1, "log_loss": 0.8}, False),
        ("loss", "", {"loss": 0.9, "log_loss": 0.9}, {"loss": 0.9, "log_loss": 0.8}, True),
        ("loss", "f1_macro", {"loss": 0.9, "log_loss": 0.9, "f1_macro": 0.8}, {"loss": 0.9, "log_loss": 0.8, "f1_macro": 0.8}, False),
        ("log_loss", "", {"log_loss": 0.7}, {"log_loss": 0.8}, False),
        ("f1_macro", "", {}, {}, False),
    ],
)
@pytest.mark.parametrize("required", ["report", "require", "register"])
def test_a_network_that_falls_below_its_floor_says_so(
    monitor: str, measure: str, model: dict[str, float], floor: dict[str, float], falls: bool, required: str
) -> None:
    config = TrainConfig(monitor=monitor, floor=required)  # type: ignore[arg-type]
    row = {f"validation_{name}": value for name, value in model.items()}
    fitted = floor_of(decisive(config, measure), **floor)
    assert fitted.is_above(row) == falls
    card = noted(fitted, CARD, row, config)
    assert card.provenance["floor"]["required"] == required
    assert card.provenance["floor"]["validation"] == {name: {"model": model[name], "floor": floor[name]} for name in model}
    assert [f"train.floor {required}" in note["text"] and note["is_warning"] for note in card.provenance["notes"]] == [True] * falls
    assert dataclasses.replace(card, provenance={}) == CARD
    assert noted(None, CARD, row, config) == CARD


def test_few_of_the_floor_s_measures_are_returned() -> None:
    row = {"loss": 0.1, "accuracy": 0.9, "recall": 0.5, "roc_auc": 0.7, "f1_micro": 0.6}
    found = measures_of(floor_of("f1_micro", **row), TrainConfig(monitor="roc_auc"))
    assert found == {f"floor_validation_{name}": row[name] for name in ("loss", "accuracy", "roc_auc", "f1_micro")}
    assert measures_of(None, TrainConfig()) == {}


def test_a_run_has_a_floor_that_answers_on_pixels(tmp_path: Path) -> None:
    inputs = toys.make(tmp_path, "multilabel", num_train=48, num_validation=24)
    measures = run(inputs, tmp_path)
    card, predictor = read_card(tmp_path / "model"), Predictor(tmp_path / "floor_model")
    assert predictor.card.architecture == "probe(handcrafted)"
    table = manifest.read(inputs.examples)
    answers = labels_of(predictor.card, predictor.predict(Images(inputs.images)[name] for name in table.column("image_id")))
    assert (answers == table.targets()).mean() > 0.9
    assert measures["floor_validation_f1_macro"] == card.provenance["floor"]["validation"]["f1_macro"]["floor"] > 0.9
    assert measures["validation_f1_macro"] == card.provenance["floor"]["validation"]["f1_macro"]["model"]


@pytest.mark.parametrize("measure", ["", "accuracy"])
def test_the_floor_takes_the_network_s_place_where_that_is_wanted(tmp_path: Path, measure: str) -> None:
    inputs = toys.make(tmp_path, num_train=48, num_validation=24)
    measures = run(inputs, tmp_path, measure, floor="register", learning_rate=1e-9)
    card = read_card(tmp_path / "model")
    assert card.architecture == "probe(handcrafted)"
    assert card.provenance["settings"]["floor"] == "register"
    own, name = read_card(tmp_path / "floor_model").provenance, measure or "f1_macro"
    assert card.provenance["hyperparameters"] == own["hyperparameters"]  # of the model that it is, not of the network
    assert not {"best_epoch", "batch_size", "fitting", "compilation"} & set(card.provenance)
    values = card.provenance["floor"]["validation"][name]
    assert values["model"] == values["floor"] == measures[f"validation_{name}"] == measures[f"floor_validation_{name}"]
    fell = f"falls below its floor: {name} on the validation images is "
    assert any(fell in note["text"] for note in card.provenance["notes"])
    for name in ("model.onnx", "weights.safetensors"):
        assert (tmp_path / "model" / name).read_bytes() == (tmp_path / "floor_model" / name).read_bytes()


@pytest.mark.parametrize("task", ["multiclass", *(pytest.param(one, marks=pytest.mark.slow) for one in ("binary", "multilabel"))])
@pytest.mark.parametrize(
    "family", [pytest.param(one, marks=() if one in ("probe", "random_forest") else pytest.mark.slow) for one in ON_VECTORS]
)
def test_every_family_is_a_model_like_any_other(tmp_path: Path, family: str, task: Any) -> None:
    inputs = toys.make(tmp_path, task, num_train=48, num_validation=24)
    measures = run(inputs, tmp_path, model=family)
    table, predictor = manifest.read(inputs.examples), Predictor(tmp_path / "model")
    answers = labels_of(predictor.card, predictor.predict(Images(inputs.images)[name] for name in table.column("image_id")))
    assert (answers == table.targets()).mean() > 0.85
    assert measures["validation_f1_macro"] > 0.8
    assert (measures["num_train"], measures["num_validation"], measures["side_px"]) == (48, 24, 64)
    assert predictor.card.architecture == f"{family}(handcrafted)"
    assert len(predictor.card.thresholds) == {"binary": 1, "multiclass": 0, "multilabel": 3}[task]
    assert any(family in note["text"] for note in predictor.card.provenance["notes"])
    assert (tmp_path / "history").read_text().splitlines()[0].startswith("epoch,validation_loss")


def test_equal_runs_of_a_family_make_equal_bytes(tmp_path: Path) -> None:
    inputs = toys.make(tmp_path)
    for folder in ("a", "b"):
        run(inputs, tmp_path / folder, model="random_forest")
    first, second = (
        {path.name: path.read_bytes() for name in ("model", "floor_model") for path in (tmp_path / folder / name).iterdir()}
        for folder in "ab"
    )
    assert first == second


def test_a_model_that_would_be_too_large_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"train\.max_bundle_mb allows 0\.1"):
        run(toys.make(tmp_path), tmp_path, model="k_nearest", max_bundle_mb=0.1)
    assert not (tmp_path / "model").exists()


def test_families_are_settings_that_a_person_may_name() -> None:
    from darkroom.networks.architectures import check_architecture

    for family in ON_VECTORS:
        check_architecture(family)
    with pytest.raises(InputError, match="random_forrest"):
        check_architecture("random_forrest")
    assert set(CLASSICAL) < set(ON_VECTORS)
