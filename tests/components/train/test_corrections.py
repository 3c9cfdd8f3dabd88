"""Corrections from end to end: a model answers raw files as it was evaluated, what is not set changes nothing, and what `auto` chooses."""

import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from components.evaluate.config import EvaluateConfig
from components.evaluate.evaluate import evaluate
from components.prune.config import PruneConfig
from components.prune.prune import prune
from components.train.config import TrainConfig
from components.train.correction_choice import NAME, settle_corrections
from components.train.correction_sheet import correction_sheet
from components.train.on_vectors import read_source
from components.train.train import train
from darkroom import manifest
from darkroom.artifacts import CORRECTIONS
from darkroom.augmentation.policy import Policy
from darkroom.evaluation import read_predictions
from darkroom.images import Images, ImageWriter
from darkroom.manifest import Manifest, make_table
from darkroom.model import Predictor, read_card
from darkroom.networks.export import load_network
from darkroom.picture_grid import CELL_PX, GAP_PX, LEFT_PX, TOP_PX
from darkroom.pixels import pixels
from darkroom.preprocessing.recipe import Recipe
from darkroom.registry.package import copy_code, requirements_of
from darkroom.system.config import parse
from darkroom.system.errors import InputError
from darkroom.system.files import read_json, write_json
from pipelines.predict.answers import predict_files
from tests.components.train.toys import Inputs, write_embeddings
from tests.photographs import jpeg, photograph, png

pytestmark = [pytest.mark.usefixtures("narrow_network"), pytest.mark.usefixtures("no_pictures")]
ALL = {
    "resize": "pad", "fill": 90, "normalise": "symmetric", "denoise": "non_local_means", "colour": "grey_world", "brightness": 0.5,
    "contrast": "clahe", "background": "grabcut",
}  # fmt: skip
QUICK = {"epochs": 1, "batch_size": 12, "learning_rate": 0.003, "side_px": 24, "num_threads": 1}


def write(folder: Path, files: list[bytes], labels: list[str], splits: list[str]) -> Inputs:
    """All inputs of a training, from files."""
    folder.mkdir()
    inputs = Inputs(*(folder / name for name in ("images", "augmented_images", "examples.parquet", "policy.json", "embeddings")))
    with ImageWriter(inputs.images) as writer:
        names = [writer.add(data) for data in files]
    with ImageWriter(inputs.augmented_images):
        pass
    columns = {"path": [f"{row}.jpg" for row in range(len(files))], "image_id": names, "label": labels, "split": splits}
    columns |= {"width": [40] * len(files), "height": [30] * len(files)}
    Manifest(make_table(columns), tuple(sorted(set(labels))), "binary", "v1").write(inputs.examples)
    Policy().write(inputs.policy)
    write_embeddings(inputs.images, inputs.embeddings)
    return inputs


def run(inputs: Inputs, folder: Path, **settings: Any) -> dict[str, float]:
    config = parse(TrainConfig, "train", {**QUICK, **settings})
    paths = {name: folder / name for name in ("model", "history", "learning_curves")}
    return train(**inputs.paths(), **paths, config=config)


def notes(folder: Path) -> list[str]:
    return [note["text"] for note in read_card(folder / "model").provenance["notes"]]


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Inputs:
    """Photographs as JPEG, of which some have a bright disc."""
    files, splits = [], [*["train"] * 24, *["validation"] * 12, *["test"] * 12]
    for seed in range(len(splits)):
        picture = photograph(seed, 40, 30)
        if seed % 2:
            picture.paste((240, 220, 60), (12, 8, 28, 22))
        files.append(jpeg(picture, 90))
    folder = tmp_path_factory.mktemp("data") / "inputs"
    return write(folder, files, ["disc" if seed % 2 else "none" for seed in range(len(splits))], splits)


@pytest.fixture(scope="module")
def raw(inputs: Inputs, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The test images as a person has them, in their order."""
    table, source, folder = manifest.read(inputs.examples).where("test"), Images(inputs.images), tmp_path_factory.mktemp("raw")
    for row, name in enumerate(table.column("image_id")):
        (folder / f"{row:02}.jpg").write_bytes(source[name])
    return sorted(folder.iterdir())


@pytest.mark.parametrize("settings", [ALL, pytest.param({}, marks=pytest.mark.slow)], ids=["all", "none"])
def test_raw_files_are_answered_as_the_model_was_evaluated(
    inputs: Inputs, raw: list[Path], tmp_path: Path, settings: dict[str, Any]
) -> None:
    run(inputs, tmp_path, **settings)
    prune(
        inputs.images, inputs.augmented_images, inputs.examples, inputs.policy, tmp_path / "model", tmp_path / "pruned",
        config=PruneConfig(epochs=1, latency_rounds=1, round_to=1),
    )  # fmt: skip
    wanted = {name: settings[name] for name in ("denoise", "colour", "brightness", "contrast", "background") if name in settings}
    for name in ("model", "pruned"):
        folder, card = tmp_path / name, read_card(tmp_path / name)
        assert {one: asdict(card.corrections)[one] for one in wanted} == wanted and card.corrections.names == tuple(wanted)
        assert card.pad == bool(settings)
        evaluate(inputs.images, inputs.examples, folder, tmp_path / f"of_{name}", config=EvaluateConfig(num_threads=2, num_resamples=100))
        measured = read_predictions(tmp_path / f"of_{name}").y_score
        answered = [[row["probabilities"][one] for one in card.classes] for row in predict_files(str(folder), raw).answers]
        np.testing.assert_allclose(answered, measured, atol=1e-4)
        batch = np.stack([pixels(path.read_bytes(), card.recipe) for path in raw])
        shaped = ((torch.from_numpy(batch) / 255 - torch.tensor(card.mean)) / torch.tensor(card.std)).permute(0, 3, 1, 2)
        with torch.no_grad():
            np.testing.assert_allclose(load_network(folder)[0](shaped).softmax(1), measured, atol=1e-4)


def test_the_code_that_a_registered_model_takes_with_it_answers_alike_and_asks_for_opencv(
    inputs: Inputs, raw: list[Path], tmp_path: Path
) -> None:
    run(inputs, tmp_path, **ALL)
    package, _ = copy_code(tmp_path)
    code = f"""
import sys
from pathlib import Path
sys.path[:] = [{str(tmp_path)!r}, *(path for path in sys.path if path and not Path(path, "components").exists())]
sys.meta_path[:] = [finder for finder in sys.meta_path if "editable" not in repr(finder).lower()]
from {package.name}.model import Predictor
found = Predictor(Path("model")).predict([Path(name).read_bytes() for name in {[str(path) for path in raw]!r}])
assert not {{"darkroom", "pydantic", "torch"}} & set(sys.modules)
sys.stdout.buffer.write(found.tobytes())
"""
    answer = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, check=False)
    assert answer.returncode == 0, answer.stderr.decode()
    expected = Predictor(tmp_path / "model", 1).predict(path.read_bytes() for path in raw)
    np.testing.assert_allclose(np.frombuffer(answer.stdout, np.float32).reshape(-1, 2), expected, atol=1e-6)
    assert any(name.startswith("opencv-python-headless==") for name in requirements_of(read_card(tmp_path / "model")))


def test_a_model_without_corrections_asks_for_no_opencv(inputs: Inputs, tmp_path: Path) -> None:
    run(inputs, tmp_path, resize="crop")
    card = read_card(tmp_path / "model")
    assert card.recipe == Recipe(24, center_crop=1.0)
    assert not any("opencv" in name for name in requirements_of(card))


@pytest.mark.parametrize(("wanted", "mean", "std"), [("unit", 0.0, 1.0), ("symmetric", 0.5, 0.5)])
def test_inputs_are_normalised_as_is_set(inputs: Inputs, tmp_path: Path, wanted: str, mean: float, std: float) -> None:
    run(inputs, tmp_path, normalise=wanted)
    card = read_card(tmp_path / "model")
    assert (card.mean, card.std) == ((mean,) * 3, (std,) * 3)


def test_statistics_of_weights_that_have_none_are_refused(inputs: Inputs, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"train\.normalise is weights, and it is not known how inputs of small_cnn were normalised"):
        run(inputs, tmp_path, normalise="weights")


def test_statistics_are_those_of_corrected_images(inputs: Inputs, tmp_path: Path) -> None:
    run(inputs, tmp_path, colour="grey_world")
    assert np.ptp(read_card(tmp_path / "model").mean) < 0.02


def test_corrections_of_a_model_on_embeddings_are_told_to_be_unused(inputs: Inputs, tmp_path: Path) -> None:
    run(inputs, tmp_path, model="probe", denoise="median", resize="pad")
    assert read_card(tmp_path / "model").corrections.names == ()
    (told,) = (text for text in notes(tmp_path) if "is not used: probe is learnt from embeddings" in text)
    assert "train.resize=pad, train.denoise=median" in told


def striped(noise: float, number: int = 160) -> tuple[list[bytes], list[str], list[str]]:
    """Weak stripes, across or along, of which the given share of the pixels is black or white."""
    rng, files = np.random.default_rng(0), []
    for row in range(number):
        stripes = 100.0 + 50 * ((np.arange(64) // 8 + rng.integers(2)) % 2)
        picture = np.broadcast_to(stripes[:, None] if row % 2 else stripes[None], (64, 64)).copy()
        picture[rng.random((64, 64)) < noise] = 0
        picture[rng.random((64, 64)) < noise] = 255
        files.append(png(np.repeat(picture[..., None], 3, axis=2).astype(np.uint8)))
    return (
        files,
        ["across" if row % 2 else "along" for row in range(number)],
        ["train", "train", "validation", "validation"] * (number // 4),
    )


@pytest.mark.slow
def test_auto_takes_the_correction_that_a_linear_model_gains_from_and_says_so(tmp_path: Path) -> None:
    inputs = write(tmp_path / "noisy", *striped(0.32))
    run(inputs, tmp_path, denoise="auto")
    card, (told,) = read_card(tmp_path / "model"), [text for text in notes(tmp_path) if text.startswith("auto chose")]
    assert card.corrections.denoise == "median"
    assert card.provenance["settings"]["denoise"] == "auto"
    assert "auto chose train.denoise=median: f1_macro of a linear model on handcrafted features of 80 training and 80 validation" in told


@pytest.mark.slow
def test_auto_corrects_nothing_where_nothing_is_gained(tmp_path: Path) -> None:
    inputs = write(tmp_path / "clean", *striped(0.0, 80))
    run(inputs, tmp_path, denoise="auto", contrast="auto", auto_correction_images=40)
    assert read_card(tmp_path / "model").corrections.names == ()
    (told,) = [text for text in notes(tmp_path) if text.startswith("auto chose")]
    assert "train.denoise=none, train.contrast=none" in told and "of 20 training and 20 validation images is 1.0000 without" in told


@pytest.mark.slow
def test_a_resumed_training_takes_what_auto_had_chosen_and_other_settings_choose_anew(inputs: Inputs, tmp_path: Path) -> None:
    def chosen(**settings: Any) -> str:
        config, table = parse(TrainConfig, "train", {**QUICK, "denoise": "auto", **settings}), manifest.read(inputs.examples)
        source = read_source(inputs.embeddings, table, config)
        return settle_corrections(Images(inputs.images), table, source, config, tmp_path)[0].denoise

    assert chosen() == "none"
    kept = read_json(tmp_path / NAME)
    write_json(tmp_path / NAME, {**kept, "result": {**kept["result"], "chosen": {"denoise": "median"}}})
    assert chosen() == "median"
    assert chosen(noise_level=20.0) == "none"


def test_the_sheet_shows_images_before_and_after_each_correction(inputs: Inputs, tmp_path: Path) -> None:
    table, source = manifest.read(inputs.examples).where("train"), Images(inputs.images)
    recipe = parse(TrainConfig, "train", ALL).recipe(28)
    sheet = correction_sheet(source, table, recipe)
    assert sheet is not None
    data = source[table.column("image_id")[0]]
    for column, expected in ((0, Recipe(28, pad=True, fill=90)), (5, recipe)):
        left = LEFT_PX + column * (CELL_PX + GAP_PX)
        cell = sheet.crop((left, TOP_PX, left + CELL_PX, TOP_PX + CELL_PX)).resize((28, 28), Image.Resampling.NEAREST)
        np.testing.assert_array_equal(np.asarray(cell), pixels(data, expected))
    assert correction_sheet(source, table, Recipe(28)) is None


def test_a_training_leaves_the_sheet_only_where_images_are_corrected(inputs: Inputs, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.undo()  # pictures are drawn
    for name, settings in (("on", {"contrast": "equalise"}), ("off", {})):
        run(inputs, tmp_path / name, **settings)
        assert (tmp_path / name / "learning_curves" / CORRECTIONS).exists() == (name == "on")
