"""A pruned model is smaller, complete, the same every time, and says truly whether it meets its limits."""

import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pyarrow as pa
import pytest
import torch

from components.prune.config import PruneConfig
from components.prune.prune import prune
from darkroom import manifest
from darkroom.model import CARD, WEIGHTS, Predictor, read_card
from darkroom.networks.export import load_network, save_model
from darkroom.system.errors import InputError
from darkroom.system.formats import record_from
from darkroom.training.hyperparameters import Settings

CONFIG = PruneConfig(epochs=2, latency_rounds=1, max_drop=1, max_latency_ratio=100)
Run = Callable[..., dict[str, float]]


def perform(trained: Path, pruned_model: Path, config: PruneConfig = CONFIG, **options: Any) -> dict[str, float]:
    """Prunes the trained model."""
    inputs = {part: trained / part for part in ("images", "augmented_images", "examples", "policy", "model")}
    return prune(**inputs, pruned_model=pruned_model, config=config, **options)


@pytest.fixture(scope="session")
def once(trained: Path) -> tuple[Path, dict[str, float]]:
    """A pruned model for all tests that only look at it, and what pruning measured."""
    return trained.parent / "once", perform(trained, trained.parent / "once")


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Run:
    """Prunes the trained model into a folder of this test."""

    def act(name: str = "pruned", config: PruneConfig = CONFIG, **options: Any) -> dict[str, float]:
        return perform(trained, tmp_path / name, config, **options)

    return act


def stored_macs(folder: Path) -> int:
    """Multiply-adds counted from the ONNX file alone, by the shapes that onnx infers."""
    model = onnx.shape_inference.infer_shapes(onnx.load(folder / "model.onnx"))
    shapes = {value.name: [size.dim_value for size in value.type.tensor_type.shape.dim] for value in model.graph.value_info}
    weights = {value.name: tuple(value.dims) for value in model.graph.initializer}
    total = 0
    for node in model.graph.node:
        if node.op_type == "Conv":
            total += int(np.prod(weights[node.input[1]])) * int(np.prod(shapes[node.output[0]][2:]))
        if node.op_type == "Gemm":
            total += int(np.prod(weights[node.input[1]]))
    return total


def test_the_share_of_multiply_adds_is_what_the_files_hold(once: tuple[Path, dict[str, float]], trained: Path) -> None:
    pruned, values = once
    ratio = stored_macs(pruned) / stored_macs(trained / "model")
    assert values["macs_ratio"] == pytest.approx(ratio, abs=1e-3)
    assert 0.4 < ratio <= 0.5
    sizes = [(folder / "model.onnx").stat().st_size for folder in (pruned, trained / "model")]
    assert values["size_ratio"] == sizes[0] / sizes[1] < 0.7
    assert values["parameters_ratio"] < 0.7


def test_both_halves_of_the_bundle_give_the_same_answers(once: tuple[Path, dict[str, float]]) -> None:
    network, card = load_network(once[0])
    batch = np.random.default_rng(0).integers(0, 256, (5, 12, 12, 3), dtype=np.uint8)
    images = torch.from_numpy(batch).permute(0, 3, 1, 2) / 255
    with torch.no_grad():
        expected = network((images - torch.tensor(card.mean).view(1, 3, 1, 1)) / torch.tensor(card.std).view(1, 3, 1, 1)).softmax(1)
    np.testing.assert_allclose(Predictor(once[0]).probabilities(batch), expected, atol=1e-5)


def test_the_card_tells_what_was_done_and_keeps_the_rest(once: tuple[Path, dict[str, float]], trained: Path) -> None:
    pruned, values = once
    before, after = read_card(trained / "model"), read_card(pruned)
    assert (after.classes, after.task, after.side_px, after.mean) == (
        before.classes,
        before.task,
        before.side_px,
        before.mean,
    )
    assert after.provenance == before.provenance
    assert before.pruning is None
    assert after.pruning is not None
    assert after.pruning["met"] is True
    assert after.pruning["settings"]["epochs"] == 2
    assert after.pruning["macs_ratio"] == values["macs_ratio"]
    assert "limits met" in after.pruning["reason"]


def test_measures_hold_times_and_what_the_validation_images_say(once: tuple[Path, dict[str, float]]) -> None:
    values = once[1]
    assert values["latency_ms_before"] > 0
    assert values["latency_ms_after"] > 0
    assert values["latency_ratio"] == values["latency_ms_after"] / values["latency_ms_before"]
    assert {"f1_macro_before", "f1_macro_after", "accuracy_before", "accuracy_after"} <= set(values)
    assert all(type(value) is float for value in values.values())


def test_the_same_seed_makes_the_same_bytes_and_another_one_others(
    run: Run, once: tuple[Path, dict[str, float]], trained: Path, tmp_path: Path
) -> None:
    before = {path: path.read_bytes() for path in trained.rglob("*") if path.is_file()}
    for name, seed in (("two", 0), ("three", 1)):
        run(name, CONFIG.model_copy(update={"seed": seed}))
    assert before == {path: path.read_bytes() for path in trained.rglob("*") if path.is_file()}  # inputs are not touched
    for file in ("weights.safetensors", "model.onnx"):
        one, two, three = ((folder / file).read_bytes() for folder in (once[0], tmp_path / "two", tmp_path / "three"))
        assert one == two
        assert one != three


def test_limits_that_are_not_met_are_said_with_their_numbers(run: Run, tmp_path: Path) -> None:
    assert run(config=CONFIG.model_copy(update={"max_latency_ratio": 1e-6}))["met"] == 0.0
    pruning = read_card(tmp_path / "pruned").pruning
    assert pruning is not None
    assert pruning["met"] is False
    assert "above prune.max_latency_ratio 1e-06" in pruning["reason"]


def test_killed_fine_tuning_goes_on_and_ends_with_the_same_bytes(run: Run, once: tuple[Path, dict[str, float]], tmp_path: Path) -> None:
    def die(epoch: int, row: dict[str, float]) -> None:
        raise KeyboardInterrupt

    (tmp_path / "checkpoints").mkdir()
    with pytest.raises(KeyboardInterrupt):
        run("resumed", checkpoints=tmp_path / "checkpoints", on_epoch=die)
    assert not (tmp_path / "resumed").exists()
    epochs: list[int] = []
    run("resumed", checkpoints=tmp_path / "checkpoints", on_epoch=lambda epoch, row: epochs.append(epoch))
    assert epochs == [1, 2]
    for file in ("weights.safetensors", "model.onnx"):
        assert (once[0] / file).read_bytes() == (tmp_path / "resumed" / file).read_bytes()


def test_switched_off_it_hands_on_the_full_model(run: Run, trained: Path, tmp_path: Path) -> None:
    values = run(config=PruneConfig(enabled=False))
    assert values == {"macs_ratio": 1, "parameters_ratio": 1, "size_ratio": 1, "latency_ratio": 1, "met": 0}
    for file in ("weights.safetensors", "model.onnx"):
        assert (tmp_path / "pruned" / file).read_bytes() == (trained / "model" / file).read_bytes()
    assert read_card(tmp_path / "pruned").pruning == {
        "met": False,
        "reason": "nothing was pruned: prune.enabled is false",
    }


def test_a_channel_s_importance_and_the_full_model_s_answers_are_settings(run: Run, tmp_path: Path) -> None:
    values = run("taught", CONFIG.model_copy(update={"importance": "fisher", "distillation": 0.5, "epochs": 1}))
    assert 0.4 < values["macs_ratio"] <= 0.5
    pruning = read_card(tmp_path / "taught").pruning
    assert pruning is not None
    assert (pruning["distillation"], pruning["num_images"], pruning["epochs"]) == (0.5, 54, 1)


def test_a_hopeless_network_is_not_fine_tuned_and_the_full_one_handed_on(run: Run, trained: Path, tmp_path: Path) -> None:
    config = CONFIG.model_copy(update={"target_macs_ratio": 0.05, "max_drop": 0.0, "early_drop_per_epoch": 1e-6})
    epochs: list[int] = []
    values = run("hopeless", config, on_epoch=lambda epoch, row: epochs.append(epoch))
    assert (epochs, values["met"], values["macs_ratio"]) == ([], 0, 1)
    assert (tmp_path / "hopeless" / "model.onnx").read_bytes() == (trained / "model" / "model.onnx").read_bytes()
    pruning = read_card(tmp_path / "hopeless").pruning
    assert pruning is not None
    assert pruning["met"] is False
    assert "prune.early_drop_per_epoch" in pruning["reason"]


def test_batch_statistics_that_the_training_kept_stay(trained: Path, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    shutil.copytree(trained, kept)
    card = read_card(kept / "model")
    hyperparameters = {**card.provenance["hyperparameters"], "freeze_batch_norm": True}
    dataclasses.replace(card, provenance={**card.provenance, "hyperparameters": hyperparameters}).write(kept / "model" / CARD)
    full, pruned, measured = means(kept / "model"), means_after(kept, tmp_path / "pruned"), means_after(trained, tmp_path / "measured")
    assert all(set(pruned[name].tolist()) <= set(full[name].tolist()) for name in full)
    assert not any(set(measured[name].tolist()) <= set(full[name].tolist()) for name in full)


def means(model: Path) -> dict[str, torch.Tensor]:
    """The running means of a network's batch normalisation."""
    return {name: value for name, value in load_network(model)[0].state_dict().items() if name.endswith("running_mean")}


def means_after(trained: Path, pruned_model: Path) -> dict[str, torch.Tensor]:
    """The same of the pruned network."""
    perform(trained, pruned_model, CONFIG.model_copy(update={"epochs": 1}))
    return means(pruned_model)


def test_hyperparameters_of_an_earlier_release_have_the_defaults_of_then() -> None:
    earlier = {"epochs": 40, "learning_rate": 0.002, "a_setting_of_then": 1}
    assert record_from(Settings, earlier) == Settings(epochs=40, learning_rate=0.002, threshold_prior_images=30.0)


def test_a_network_that_cannot_be_pruned_is_the_users_to_switch_off() -> None:
    from components.prune.channels import shrink
    from darkroom.networks.network import build

    network = build("shufflenet_v2_x0_5", 3, side_px=32).eval()
    with pytest.raises(InputError, match=r"can't remove channels from shufflenet.*set prune\.enabled to false"):
        shrink(network, 32, target_macs_ratio=0.5, importance="l2", ranking="local", round_to=8, name="shufflenet")


@pytest.mark.slow
def test_a_model_that_looks_twice_is_pruned_to_one_that_does(trained: Path, tmp_path: Path) -> None:
    shutil.copytree(trained, tmp_path / "trained", ignore=shutil.ignore_patterns("model"))
    network, card = load_network(trained / "model")
    save_model(tmp_path / "trained" / "model", network, dataclasses.replace(card, mirrored=True))
    perform(tmp_path / "trained", tmp_path / "pruned")
    assert read_card(tmp_path / "pruned").mirrored
    batch = np.random.default_rng(0).integers(0, 256, (5, card.side_px, card.side_px, 3), dtype=np.uint8)
    pruned = Predictor(tmp_path / "pruned")
    np.testing.assert_allclose(pruned.probabilities(batch), pruned.probabilities(batch[:, :, ::-1]), atol=1e-5)


@pytest.mark.slow
def test_fine_tuning_counts_images_as_the_training_did(trained: Path, tmp_path: Path) -> None:
    shutil.copytree(trained, tmp_path / "inputs")
    table, card = manifest.read(trained / "examples"), read_card(trained / "model")
    rows = [row for row, split in enumerate(table.column("split")) if split == "train"]
    sizes = []
    for name, low in (("weighed", 1.0), ("left_out", 0.0)):
        trust = np.full(len(table), 3.0)
        trust[rows[::3]] = low
        dataclasses.replace(table, table=table.table.append_column("trust", pa.array(trust))).write(tmp_path / "inputs" / "examples")
        settings = {**card.provenance["hyperparameters"], "weight_column": "trust"}
        dataclasses.replace(card, provenance={**card.provenance, "hyperparameters": settings}).write(tmp_path / "inputs" / "model" / CARD)
        perform(tmp_path / "inputs", tmp_path / name)
        sizes.append(read_card(tmp_path / name).pruning["num_images"])
    assert sizes == [len(rows), len(rows) - len(rows[::3])]
    plain = perform(trained, tmp_path / "plain")
    assert plain["met"] and len({(tmp_path / name / WEIGHTS).read_bytes() for name in ("plain", "weighed", "left_out")}) == 3
