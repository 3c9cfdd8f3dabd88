"""Weights of a registered model: settled by number when a run is planned, and files once a step starts."""

import contextlib
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from darkroom.model import ModelCard, read_card
from darkroom.named_weights import path_of
from darkroom.networks import small_cnn
from darkroom.registry import registry
from darkroom.registry.package import bundle_sha256, log_bundle
from darkroom.registry.registry import register_version
from darkroom.registry.starting_models import folder_of
from darkroom.runtime import step
from darkroom.system.errors import InputError
from darkroom.tracking.runs import start_run
from darkroom.tracking.tags import SHA256, VECTORS
from pipelines.params import frozen, refuse_own_successors
from tests.components.train import toys as images_of
from tests.pipelines.conftest import ROOT, Toys
from tests.stores import use_copy


@pytest.mark.parametrize("named", ["models:/toys@champion", "models:/toys/1", "models:/toys"])
def test_a_run_records_which_version_it_started_from(toys: Toys, named: str) -> None:
    best = registry.champion("toys")
    assert best is not None
    settings = frozen({"embed": {"weights": named}, "train": {"weights": named}})
    assert [settings[section] for section in ("embed", "train")] == [
        {"weights": "models:/toys/1", "weights_version": best.tags[SHA256][:20]}
    ] * 2
    assert frozen(settings) == settings


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"weights": "models:/toys@nobody"}, r"train\.weights is 'models:/toys@nobody': there is no model .* toys \(versions up to 1"),
        (
            {"weights": "models:/toys/1", "weights_version": "0" * 20},
            r"is now version [0-9a-f]{20}, not the 0{20} of train\.weights_version",
        ),
    ],
)
def test_what_the_registry_does_not_have_is_told_before_a_step_starts(toys: Toys, section: dict[str, str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        frozen({"train": section})


@pytest.mark.parametrize(("named", "refused"), [("models:/toys@champion", True), ("models:/toys", True), ("models:/toys/1", False)])
def test_a_retraining_does_not_start_from_whatever_it_made_last(toys: Toys, named: str, refused: bool) -> None:
    told = pytest.raises(InputError, match=r"train\.weights is .* by its number, models:/toys/NUMBER, or set retrain\.start to champion")
    with told if refused else contextlib.nullcontext():
        refuse_own_successors([f"train.weights={named}"], ROOT / "params.yaml", "toys")
    refuse_own_successors([f"train.weights={named}"], ROOT / "params.yaml", "others")


def trained(folder: Path, **settings: object) -> ModelCard:
    """The card of a network of few channels that a runner's call of `train` leaves."""
    inputs = images_of.make(folder / "data").paths()
    outputs = {name: folder / name for name in ("model", "history", "learning_curves")}
    given = {"model": "small_cnn", "epochs": 1, "side_px": 8, "floor": "report"} | settings
    step.call("train", given, {name: str(path) for name, path in (inputs | outputs).items()}, lambda epoch, row: None)
    return read_card(folder / "model")


@pytest.fixture
def registered(migrated_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a network that is registered as version 1 of `colours`."""
    monkeypatch.setattr(small_cnn, "SmallCNN", partial(small_cnn.SmallCNN, widths=(8, 8, 16, 16)))
    use_copy(migrated_store, tmp_path / "store", monkeypatch)
    trained(tmp_path / "first")
    model, run_id = tmp_path / "first" / "model", start_run("colours", "run", {}, {}, "colours", "A")
    logged = log_bundle(run_id, model, images_of.picture([0], np.random.default_rng(0)), {"accuracy": 0.9})
    register_version("colours", run_id, logged, {SHA256: bundle_sha256(model)}, "colours")
    return model


def test_a_training_starts_from_the_registered_model_and_says_its_name(
    registered: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    named = "models:/colours/1"
    monkeypatch.setenv(VECTORS, str(tmp_path / "vectors"))
    for folder in ("second", "third"):
        assert trained(tmp_path / folder, weights=named).provenance["settings"]["weights"] == named
        assert f"started from {named}: " in capsys.readouterr().out
        monkeypatch.delenv(VECTORS, raising=False)  # then the model is fetched for the step alone
    assert [path.name for path in (tmp_path / "models").iterdir()] == [folder_of(named)] == ["colours-1"]
    assert bundle_sha256(tmp_path / "models" / "colours-1") == bundle_sha256(registered)
    assert bundle_sha256(tmp_path / "second" / "model") == bundle_sha256(tmp_path / "third" / "model")


def test_only_a_runner_fetches() -> None:
    with pytest.raises(InputError, match="models:/toys/1 names a registered model, which only a runner"):
        path_of("models:/toys/1")
