"""Training as a whole: what it writes, that it can be repeated, and that a kill leaves no trace."""

import csv
import dataclasses
import os
import signal

import numpy as np
import pyarrow as pa
import pytest
import torch

from components.train.config import TrainConfig
from components.train.train import train
from darkroom import manifest, model
from darkroom.augmentation.policy import Policy
from darkroom.images import Images
from darkroom.manifest import put_column
from darkroom.model import CARD, Predictor, labels_of
from darkroom.networks import pretrained
from darkroom.networks.export import load_network
from darkroom.pixels import pixels
from darkroom.registry.package import bundle_sha256
from darkroom.system.config import dump, parse
from darkroom.system.errors import InputError
from darkroom.training import checkpoint
from darkroom.training.batches import Normalise
from darkroom.training.devices import precision
from darkroom.training.losses import Loss
from darkroom.training.problem import read_problem
from darkroom.training.training_sample import sample_rows
from tests import forks
from tests.components.train import toys

pytestmark = pytest.mark.usefixtures("narrow_network")
quick = pytest.mark.usefixtures("no_pictures")


def run(inputs, folder, on_epoch=lambda epoch, measures: None, checkpoints=None, store=None, **settings):
    settings = {"epochs": 3, "batch_size": 8, "learning_rate": 0.003, "side_px": 8} | settings
    config = parse(TrainConfig, "train", settings)
    return train(
        **inputs.paths(),
        model=folder / "model",
        history=folder / "history.csv",
        learning_curves=folder / "learning_curves",
        config=config,
        checkpoints=checkpoints,
        store=store,
        on_epoch=on_epoch,
    )


def bundle(folder):
    """Every file that a training leaves."""
    paths = [folder / "history.csv", *(folder / "model").iterdir(), *(folder / "learning_curves").glob("*")]
    return {path.name: path.read_bytes() for path in paths}


@quick
@pytest.mark.parametrize("task", [pytest.param("binary", marks=pytest.mark.slow), "multiclass", "multilabel"])
def test_a_model_of_each_task_learns_what_colours_mean(tmp_path, task):
    inputs = toys.make(tmp_path, task, num_train=48, num_validation=24)
    measures = run(inputs, tmp_path, epochs=12)
    table = manifest.read(inputs.examples)
    predictor = Predictor(tmp_path / "model")
    probabilities = predictor.predict(Images(inputs.images)[name] for name in table.column("image_id"))
    answers = labels_of(predictor.card, probabilities)
    assert np.mean(answers == table.targets()) >= 0.9
    assert measures["validation_f1_macro"] >= 0.9
    assert predictor.card.classes == table.classes
    assert predictor.card.side_px == measures["side_px"] == 8
    assert len(predictor.card.thresholds) == {"binary": 1, "multiclass": 0, "multilabel": 3}[task]
    assert predictor.card.provenance["data_version"] == "toy"
    assert predictor.card.provenance["compilation"]["reason"].startswith("on a CPU")
    assert predictor.card.provenance["hyperparameters"]["compile"] == "off"
    assert predictor.card.provenance["precision"] == precision("auto", "auto", 8)
    name, card = bundle_sha256(tmp_path / "model"), tmp_path / "model" / CARD
    card.write_text(card.read_text().replace('"on a CPU', '"a step took 3 ms'))
    assert bundle_sha256(tmp_path / "model") == name  # whose steps were timed again has the same name


@quick
def test_the_graph_and_the_torch_network_answer_alike(tmp_path):
    inputs = toys.make(tmp_path)
    run(inputs, tmp_path)
    network, card = load_network(tmp_path / "model")
    source = Images(inputs.images)
    batch = np.stack([pixels(source[name], card.recipe) for name in source])
    normal = (torch.from_numpy(batch).permute(0, 3, 1, 2) / 255 - torch.tensor(card.mean).view(3, 1, 1)) / torch.tensor(card.std).view(
        3, 1, 1
    )
    with torch.no_grad():
        expected = network(normal).softmax(dim=1).numpy()
    np.testing.assert_allclose(Predictor(tmp_path / "model").probabilities(batch), expected, atol=1e-5)


def test_the_same_seed_makes_the_same_bytes_and_another_seed_others(tmp_path):
    inputs = toys.make(tmp_path)
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        torch.rand(3)  # what others drew before must not matter
        run(inputs, tmp_path / name, seed=seed, dropout=0.2)
    assert bundle(tmp_path / "a") == bundle(tmp_path / "b")
    assert bundle(tmp_path / "a")[model.WEIGHTS] != bundle(tmp_path / "c")[model.WEIGHTS]


@quick
def test_inputs_and_torchs_own_generator_are_left_alone(tmp_path):
    inputs = toys.make(tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    torch.manual_seed(5)
    drawn = torch.get_rng_state()
    threads = torch.get_num_threads()
    run(inputs, tmp_path / "out", num_threads=1)
    assert {path: path.read_bytes() for path in before} == before
    assert torch.equal(torch.get_rng_state(), drawn)
    assert torch.get_num_threads() == threads


@quick
def test_every_epoch_is_told_and_written(tmp_path, capsys):
    inputs, told = toys.make(tmp_path), []
    measures = run(inputs, tmp_path, on_epoch=lambda epoch, row: told.append((epoch, row)))
    assert [epoch for epoch, _ in told] == [1, 2, 3]
    with (tmp_path / "history.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    assert [float(row["validation_f1_macro"]) for row in rows] == [row["validation_f1_macro"] for _, row in told]
    assert {"train_loss", "validation_loss", "learning_rate"} <= set(rows[0])
    assert "epoch 3/3  train_loss" in capsys.readouterr().out
    assert all(isinstance(value, float | int) and np.isfinite(value) for value in measures.values())
    assert measures["num_train"] == 24 and measures["num_validation"] == 9 and measures["num_epochs"] == 3


def test_without_validation_images_the_last_epoch_is_kept(tmp_path):
    inputs = toys.make(tmp_path, "multilabel", num_validation=0)
    measures = run(inputs, tmp_path, patience=1)
    assert measures["best_epoch"] == measures["num_epochs"] == 3
    assert "validation_loss" not in measures
    assert [path.name for path in (tmp_path / "learning_curves").iterdir()] == ["loss.png"]
    assert model.read_card(tmp_path / "model").thresholds == (0.5, 0.5, 0.5)


@quick
def test_training_stops_when_nothing_gets_better(tmp_path, capsys):
    inputs = toys.make(tmp_path, policy=Policy())
    measures = run(inputs, tmp_path, epochs=40, patience=2, monitor="accuracy", learning_rate=0.01)
    assert measures["num_epochs"] < 40
    assert "stopped early: accuracy has not improved since epoch" in capsys.readouterr().out


def test_a_killed_training_goes_on_to_the_same_bytes(tmp_path, capsys):
    inputs, target = toys.make(tmp_path), tmp_path / "killed"
    settings = {"side_px": 8, "epochs": 4, "batch_size": 8, "learning_rate": 0.003, "dropout": 0.2, "mixing": 0.5}
    (target / "checkpoints").mkdir(parents=True)

    def kill(epoch, measures):
        if epoch == 2:
            os.kill(os.getpid(), signal.SIGKILL)

    killed = forks.run(lambda: run(inputs, target, kill, target / "checkpoints", **settings), tmp_path, dict(os.environ))
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert "epoch 2/4" in killed.stdout and not (target / "model").exists()
    run(inputs, target, checkpoints=target / "checkpoints", **settings)
    told = capsys.readouterr().out
    assert "resuming after epoch 2/4" in told and "epoch 3/4  train" in told and "epoch 2/4  train" not in told
    run(inputs, tmp_path / "whole", **settings)
    assert bundle(target) == bundle(tmp_path / "whole")


@quick
@pytest.mark.parametrize(
    "settings",
    [
        pytest.param({"optimizer": "sgd"}, marks=pytest.mark.slow),
        pytest.param(
            {"optimizer": "muon", "schedule": "step", "loss": "focal", "layer_decay": 0.5, "cutmix": 0.5, "clip_norm": 1, "accumulate": 2},
            marks=pytest.mark.slow,
        ),
        {
            "optimizer": "adam",
            "schedule": "one_cycle",
            "class_balance": "sampling",
            "first_side_share": 0.5,
            "side_px": 64,
            "freeze_epochs": 1,
            "unfreeze_epochs": 1,
            "frozen_share": 0.3,
            "layer_decay": 0.5,
            "head_rate_factor": 5,
        },
    ],
)
def test_an_interrupted_training_goes_on_to_the_same_bytes_and_tells_every_epoch(tmp_path, settings):
    inputs, told, checkpoints = toys.make(tmp_path), [], tmp_path / "checkpoints"
    checkpoints.mkdir()

    def interrupt(epoch, measures):
        if epoch == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(inputs, tmp_path / "out", interrupt, checkpoints, **settings)
    run(inputs, tmp_path / "out", lambda epoch, measures: told.append(epoch), checkpoints, **settings)
    run(inputs, tmp_path / "whole", **settings)
    assert told == [1, 2, 3]
    assert bundle(tmp_path / "out") == bundle(tmp_path / "whole")


@quick
@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[:5000] + bytes([data[5000] ^ 1]) + data[5001:],
        pytest.param(lambda data: data[:-100], marks=pytest.mark.slow),
        pytest.param(lambda data: b"", marks=pytest.mark.slow),
    ],
    ids=["a bit flipped", "cut off", "empty"],
)
def test_a_damaged_checkpoint_is_ignored_and_told(tmp_path, capsys, damage):
    inputs, checkpoints = toys.make(tmp_path), tmp_path / "checkpoints"
    checkpoints.mkdir()
    run(inputs, tmp_path / "a", checkpoints=checkpoints)
    file = checkpoints / checkpoint.NAME
    file.write_bytes(damage(file.read_bytes()))
    run(inputs, tmp_path / "b", checkpoints=checkpoints)
    assert "is damaged: training starts from the beginning" in capsys.readouterr().out
    assert bundle(tmp_path / "a") == bundle(tmp_path / "b")


@quick
@pytest.mark.slow
def test_a_checkpoint_of_other_settings_is_ignored_and_told(tmp_path, capsys):
    inputs, checkpoints = toys.make(tmp_path), tmp_path / "checkpoints"
    checkpoints.mkdir()
    run(inputs, tmp_path / "a", checkpoints=checkpoints, seed=1)
    run(inputs, tmp_path / "b", checkpoints=checkpoints)
    assert "belongs to another training" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"epochs": 0},
            r"^train\.epochs is 0: input should be greater than or equal to 1, or 'auto' \(How often every training image is seen; auto",
        ),
        (
            {"epochs": "abc"},
            r"^train\.epochs is 'abc': input should be a valid integer, or 'auto' \(How often every training image is seen; auto",
        ),
        ({"learning_rate": -1}, r"^train\.learning_rate is -1: input should be greater than 0, or 'auto'"),
        ({"mixing": 0.6, "cutmix": 0.5}, r"^train\.mixing is 0\.6 and train\.cutmix 0\.5"),
        ({"weight_column": "trust", "model": "k_nearest"}, r"^train\.weight_column is 'trust', and k_nearest \(train\.model\) has no loss"),
        ({"epoch": 3}, r"^train\.epoch is no setting: did you mean train\.epochs\?$"),
        ({"monitor": "beauty"}, r"^train\.monitor is 'beauty': input should be 'f1_macro'"),
    ],
)
def test_a_bad_setting_is_told_in_one_sentence(settings, message):
    with pytest.raises(InputError, match=message):
        parse(TrainConfig, "train", settings)


def test_settings_survive_the_way_through_a_pipeline():
    config = TrainConfig(epochs=3, learning_rate=0.1)
    assert (
        parse(TrainConfig, "train", {name: float(value) if isinstance(value, int) else value for name, value in dump(config).items()})
        == config
    )


@quick
def test_a_network_with_packaged_weights_starts_from_them_and_keeps_their_normalisation(tmp_path, capsys):
    run(toys.make(tmp_path), tmp_path, model="lite0", side_px=32, epochs=1)
    card = model.read_card(tmp_path / "model")
    assert (card.architecture, card.mean, card.std) == ("tf_efficientnet_lite0", pretrained.MEAN, pretrained.STD)
    assert "started from the packaged weights" in capsys.readouterr().out


@quick
@quick
@pytest.mark.parametrize("family", ["small_cnn", "probe"])
def test_a_column_of_weights_leaves_out_what_weighs_0_and_the_card_says_so(tmp_path, family):
    inputs = toys.make(tmp_path)
    table = manifest.read(inputs.examples)
    trust = [2.5] * len(table)
    trust[3], trust[20] = 0.0, 0.0

    def trained(name, splits, values, **settings):
        changed = put_column(table.table, "split", splits).append_column("trust", pa.array(values, pa.float64()))
        dataclasses.replace(table, table=changed).write(inputs.examples)
        run(inputs, tmp_path / name, model=family, **settings)
        return (tmp_path / name / "model" / model.WEIGHTS).read_bytes(), model.read_card(tmp_path / name / "model").provenance

    splits = table.column("split")
    weighed, card = trained("weighed", splits, trust, weight_column="trust")
    left_out, plain = trained("left_out", ["excluded" if value == 0 else one for one, value in zip(splits, trust, strict=True)], trust)
    others, _ = trained("others", splits, [1.0 + row % 5 for row in range(len(table))], weight_column="trust")
    assert weighed == left_out != others
    assert card["num_train_images"] == 22
    assert card["settings"]["weight_column"] == "trust" and plain["settings"]["weight_column"] == ""
    said = [note["text"] for note in card["notes"] if "train.weight_column" in note["text"]]
    assert len(said) == 1 and said[0].endswith("2 of weight 0 are left out")
    assert not any("weight_column" in note["text"] for note in plain["notes"])


def test_one_training_image_is_refused(tmp_path):
    with pytest.raises(InputError, match="the training split has 1 images: at least 2 are needed"):
        run(toys.make(tmp_path, num_train=1), tmp_path)


@quick
def test_a_training_that_diverges_says_so(tmp_path):
    with pytest.raises(InputError, match=r"^train\.learning_rate is 10, .* epoch \d+, .*train\.clip_norm"):
        run(
            toys.make(tmp_path),
            tmp_path,
            optimizer="sgd",
            learning_rate=10,
            warmup_epochs=0,
            weight_decay=10,
            epochs=300,
            schedule="constant",
        )


@quick
def test_short_memory_is_noted_in_the_card_and_the_history(tmp_path, monkeypatch):
    whole = Loss.__call__

    def limited(self, logits, y_true, batch=None, image_weights=None):
        if batch is not None and len(logits) > 4:
            raise MemoryError
        return whole(self, logits, y_true, batch, image_weights)

    monkeypatch.setattr(Loss, "__call__", limited)
    run(toys.make(tmp_path), tmp_path)
    provenance = model.read_card(tmp_path / "model").provenance
    assert (provenance["hyperparameters"]["accumulate"], provenance["batch_size"]) == (2, 8)
    assert [note["step"] for note in provenance["notes"] if note["is_warning"]] == ["train"]
    with (tmp_path / "history.csv").open() as file:
        assert [row["accumulate"] for row in csv.DictReader(file)] == ["2.0"] * 3


@pytest.mark.slow
def test_a_range_test_finds_the_rate_once_and_draws_its_curve(tmp_path, capsys):
    inputs, checkpoints = toys.make(tmp_path), tmp_path / "checkpoints"
    checkpoints.mkdir()

    def interrupt(epoch, measures):
        raise KeyboardInterrupt

    settings = {"learning_rate": "find", "mixed_precision": "off"}
    with pytest.raises(KeyboardInterrupt):
        run(inputs, tmp_path / "out", interrupt, checkpoints, **settings)
    written = (checkpoints / "range_test.json").stat().st_mtime_ns
    run(inputs, tmp_path / "out", checkpoints=checkpoints, **settings)
    assert "resuming after epoch 1/3" in capsys.readouterr().out
    assert (checkpoints / "range_test.json").stat().st_mtime_ns == written
    assert (tmp_path / "out/learning_curves/learning_rate.png").is_file()
    run(inputs, tmp_path / "whole", **settings)
    assert bundle(tmp_path / "out") == bundle(tmp_path / "whole")
    provenance = model.read_card(tmp_path / "out/model").provenance
    assert 1e-5 < provenance["learning_rate"] == provenance["hyperparameters"]["learning_rate"] < 1


@quick
def test_a_measure_that_the_task_has_not_is_told(tmp_path):
    with pytest.raises(
        InputError, match=r"train\.monitor is 'subset_accuracy', which the validation images don't define: choose among loss, accuracy"
    ):
        run(toys.make(tmp_path), tmp_path, monitor="subset_accuracy")


@quick
@pytest.mark.parametrize(("monitor", "shown"), [("loss", "validation_loss"), ("log_loss", "log_loss")])
def test_a_loss_is_better_when_it_is_lower(tmp_path, monitor, shown, capsys):
    inputs, values = toys.make(tmp_path), []
    measures = run(inputs, tmp_path, lambda epoch, row: values.append(row[f"validation_{monitor}"]), monitor=monitor)
    assert measures["best_epoch"] == 1 + np.argmin(values)
    assert f"{shown} {values[0]:.4f}" in capsys.readouterr().out


@quick
def test_a_gpu_that_is_not_there_is_told(tmp_path):
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    with pytest.raises(InputError, match=r"train\.device is 'cuda', but torch sees no GPU here"):
        run(toys.make(tmp_path), tmp_path, device="cuda")


@pytest.mark.parametrize("policy", [pytest.param(Policy(), marks=pytest.mark.slow), toys.MILD])
def test_the_card_tells_over_and_underfitting_from_training_images_as_they_are(tmp_path, policy):
    inputs = toys.make(tmp_path, num_train=48, num_validation=24, policy=policy)
    run(inputs, tmp_path, learning_rate=1e-9, epochs=2, seed=1)  # with random weights that happen to tell nothing apart
    card = model.read_card(tmp_path / "model")
    found = card.provenance["fitting"]
    assert found["verdict"] == "underfits"
    assert found["num_images"] == 24
    network, _ = load_network(tmp_path / "model")
    problem = read_problem(Images(inputs.images, inputs.augmented_images), manifest.read(inputs.examples), inputs.policy, card.recipe)
    rows = sample_rows([False] * 48, 24)
    with torch.no_grad():
        images = Normalise(card.mean, card.std, torch.device("cpu"))(problem.train.pick(rows, torch.device("cpu")))
        answers = network(images).argmax(1)
    assert found["train"]["accuracy"] == pytest.approx(float((answers == problem.train.targets[rows]).float().mean()))
    assert [note["text"] for note in card.provenance["notes"] if "the network underfits" in note["text"]]
    assert ["train.learning_rate=find" in setting for setting, _ in found["remedies"]].count(True) == 1


def test_copies_are_no_training_images_as_they_are():
    rows = sample_rows([True, False, False, True, False], 2)
    assert len(rows) == 2 and set(rows.tolist()) <= {1, 2, 4}
    assert sample_rows([True, False], 9).tolist() == [1]
    assert len(sample_rows([False] * 3000, 2500)) == 2000
