"""Cross-validation: which images each fold holds out, and what its results say."""

import dataclasses
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from scipy import stats

from components.train.choice import choose
from components.train.config import TrainConfig
from components.train.cross_validation import CrossValidation, cross_validate, estimate, held_out
from components.train.fold_plan import announce_folds, choice_for_folds, for_folds
from components.train.sharing import fit_network
from darkroom import manifest, model, pixel_store
from darkroom.images import Images
from darkroom.manifest import Manifest, make_table
from darkroom.system.errors import InputError
from darkroom.training.trainer import Fitted
from tests.components.train import toys
from tests.components.train.test_train import run

pytestmark = pytest.mark.usefixtures("narrow_network", "no_pictures")


def table() -> Manifest:
    columns = {
        "path": ["a", "b", "c", "d", "e", "copy of a", "copy of b"],
        "image_id": list("abcdexy"),
        "label": ["cat", "dog", "cat", "dog", "cat", "cat", "dog"],
        "split": ["train", "train", "validation", "train", "test", "train", "train"],
        "source_id": [None, None, None, None, None, "a", "b"],
        "validation_fold": [0, 1, 1, 2, None, 0, 1],
    }
    return Manifest(make_table(columns), ("cat", "dog"), "binary", "v1")


def test_a_fold_holds_its_images_out_and_no_copy_of_them_is_trained_on() -> None:
    assert held_out(table(), 0).column("split") == ["validation", "train", "train", "train", "test", "excluded", "train"]
    assert held_out(table(), 1).column("split") == ["train", "validation", "validation", "train", "test", "train", "excluded"]


def test_each_fold_is_trained_once_and_the_measures_that_all_define_are_summed_up(capsys: pytest.CaptureFixture[str]) -> None:
    seen = []

    def fit_fold(rows: Manifest, fold: int) -> dict[str, float]:
        seen.append((fold, rows.column("split").count("validation")))
        return {"epoch": 3.0, "train_loss": 0.1, "validation_f1_macro": 0.8 + fold / 10, **({"validation_roc_auc": 0.9} if fold else {})}

    found = cross_validate(table(), fit_fold, TrainConfig())
    assert seen == [(0, 1), (1, 2), (2, 1)]
    assert "fold 3/3 is done" in capsys.readouterr().out
    assert list(found.estimates) == ["f1_macro"]
    assert found.measures["folds_f1_macro"] == pytest.approx(0.9)
    assert found.measures["folds_f1_macro_low"] < 0.9 < found.measures["folds_f1_macro_high"]
    assert found.provenance["cross_validation"]["folds"][2]["validation_f1_macro"] == pytest.approx(1.0)
    assert "f1_macro 0.9000" in found.told()[0]
    assert dataclasses.replace(found, monitor="roc_auc").told() == []
    assert "hamming_loss" not in found.estimates


def test_images_of_weight_0_are_held_out_but_not_trained_on() -> None:
    seen, rows = [], table()
    rows = dataclasses.replace(rows, table=rows.table.append_column("trust", pa.array([0.0, 1, 1, 1, 1, 0, 1])))

    def fit_fold(held: Manifest, fold: int) -> dict[str, float]:
        seen.append((held.where("train").column("path"), held.where("validation").column("path")))
        return {}

    cross_validate(rows, fit_fold, TrainConfig(weight_column="trust"))
    assert seen == [(["b", "c", "d", "copy of b"], ["a"]), (["d"], ["b", "c"]), (["b", "c", "copy of b"], ["d"])]


def test_without_folds_nothing_is_trained_and_nothing_said() -> None:
    rows = table()
    rows = Manifest(rows.table.drop_columns("validation_fold"), rows.classes, rows.task, rows.data_version)
    found = cross_validate(rows, lambda *_: pytest.fail("trained"), TrainConfig())
    assert found == CrossValidation()
    assert (found.measures, found.provenance, found.told()) == ({}, {}, [])


def test_the_interval_is_wider_than_that_of_independent_values() -> None:
    values = [0.81, 0.84, 0.79, 0.86, 0.8]
    found = estimate(values, 1.0)
    low, high = stats.t.interval(0.95, 4, np.mean(values), stats.sem(values))
    assert found.mean == pytest.approx(np.mean(values))
    assert (found.high - found.low) / (high - low) == pytest.approx(1.5)  # the root of (1/5 + 1/4) * 5
    assert estimate([1.0, 0.99], 1.0).high == 1


def folded(folder: Path, num_folds: int = 3) -> toys.Inputs:
    inputs = toys.make(folder, num_train=24, num_validation=9)
    found = manifest.read(inputs.examples)
    folds = [row // 3 % num_folds for row in range(len(found))]
    dataclasses.replace(found, table=manifest.put_column(found.table, "validation_fold", folds)).write(inputs.examples)
    return inputs


@pytest.mark.usefixtures("exported_once")
def test_a_model_on_embeddings_is_the_same_as_without_folds_and_its_card_has_what_they_reached(tmp_path: Path) -> None:
    (tmp_path / "alone").mkdir()
    settings = {"model": "logistic_regression"}
    alone = run(toys.make(tmp_path / "alone", num_train=24, num_validation=9), tmp_path / "alone", **settings)
    measures = run(folded(tmp_path), tmp_path, **settings)
    card = model.read_card(tmp_path / "model")
    rows = [row["validation_accuracy"] for row in card.provenance["cross_validation"]["folds"]]
    assert len(rows) == 3
    assert measures["folds_accuracy"] == pytest.approx(np.mean(rows))
    assert any(note["text"].startswith("3 folds: f1_macro") for note in card.provenance["notes"])
    assert {name: value for name, value in measures.items() if not name.startswith("folds_")} == alone
    assert (tmp_path / "model" / model.GRAPH).read_bytes() == (tmp_path / "alone" / "model" / model.GRAPH).read_bytes()


@pytest.mark.slow
def test_a_training_that_was_killed_after_two_folds_takes_these_as_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    inputs, calls = folded(tmp_path), []

    def killed(*given: Any, **named: Any) -> Fitted:
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return fit_network(*given, **named)

    undisturbed = run(inputs, tmp_path, epochs=2)
    with monkeypatch.context() as patched:
        patched.setattr("components.train.network_training.fit_network", killed)
        with pytest.raises(KeyboardInterrupt):
            run(inputs, tmp_path, epochs=2, checkpoints=tmp_path / "checkpoints")
    capsys.readouterr()
    assert run(inputs, tmp_path, epochs=2, checkpoints=tmp_path / "checkpoints") == undisturbed
    assert capsys.readouterr().out.count("epoch 2/2") == 2
    assert len(model.read_card(tmp_path / "model").provenance["cross_validation"]["folds"]) == 3


@pytest.mark.slow
def test_folds_the_model_and_a_repetition_read_what_the_first_training_has_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    inputs, weights, store = folded(tmp_path), tmp_path / "model" / "weights.safetensors", tmp_path / "vectors"
    measures = run(inputs, tmp_path, epochs=1)
    expected = weights.read_bytes()
    monkeypatch.setattr(pixel_store, "MEMORY_BYTES", 5000)  # all images take 6,336, those that the time is measured with 4,800
    capsys.readouterr()
    for number in range(2):
        assert run(inputs, tmp_path, epochs=1, store=store) == measures
        assert weights.read_bytes() == expected
        said = [line for line in capsys.readouterr().out.splitlines() if "decoded images are" in line]
        assert [line.split()[6] for line in said if "vectors" in line] == (["mapped"] if number else ["kept"]) + ["mapped"] * 3
    assert len(pixel_store.kept_folders(store)) == 1


def test_a_limit_of_the_time_and_folds_are_refused_together(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"split\.num_folds is 3, and train\.time_limit_min is 5"):
        run(folded(tmp_path), tmp_path, time_limit_min=5, epochs="auto")


def test_a_fold_does_not_start_from_a_model_that_may_know_its_images(tmp_path: Path) -> None:
    inputs = folded(tmp_path)
    run(inputs, tmp_path, epochs=1)
    warm = TrainConfig(model="small_cnn", weights=str(tmp_path / "model" / model.WEIGHTS))
    assert for_folds(warm).weights == "auto"
    training = manifest.read(inputs.examples).where("train")
    choice = choose(training, warm)
    found = choice_for_folds(training, choice, warm)
    assert found.settings == choose(training, TrainConfig(model="small_cnn", epochs=choice.settings.epochs)).settings != choice.settings
    assert choice_for_folds(training, choice, TrainConfig(model="small_cnn")) is choice
    shutil.copy(warm.weights, tmp_path / "published.safetensors")
    for weights in ("auto", "", str(tmp_path / "published.safetensors")):
        assert for_folds(TrainConfig(weights=weights)).weights == weights


@pytest.mark.parametrize(
    ("weights", "said"),
    [
        ("model/weights.safetensors", "the folds start from auto weights, as the model"),
        ("published.safetensors", "too: if that has learnt from any of these images"),
        ("", ""),
    ],
)
def test_where_folds_start_is_told(tmp_path: Path, weights: str, said: str) -> None:
    inputs = folded(tmp_path)
    run(inputs, tmp_path, epochs=1)
    shutil.copy(tmp_path / "model" / model.WEIGHTS, tmp_path / "published.safetensors")
    config, table = TrainConfig(model="small_cnn", weights=str(tmp_path / weights) if weights else ""), manifest.read(inputs.examples)
    choice = choose(table.where("train"), config)
    notes = announce_folds(Images(inputs.images, inputs.augmented_images), table, inputs.policy, choice, config, None)
    assert [said in note.text for note in notes] == [True] * bool(said)


@pytest.mark.parametrize("monitor", ["precision_macro", "loss"])
def test_the_measure_that_chooses_the_epoch_is_always_among_the_estimates(monitor: str) -> None:
    rows = ({f"validation_{monitor}": 0.5}, {f"validation_{monitor}": 0.7})
    assert CrossValidation(rows, monitor).told()[0].startswith(f"2 folds: {monitor} 0.6000")
