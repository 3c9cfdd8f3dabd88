"""Every family on real data: it trains, evaluates, exports and predicts, and the exported answers are the trained ones."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from components.augment.augment import augment
from components.augment.config import AugmentConfig
from components.clean.clean import clean
from components.clean.config import CleanConfig
from components.embed.config import EmbedConfig
from components.embed.embed import embed
from components.evaluate.config import EvaluateConfig
from components.evaluate.evaluate import evaluate
from components.ingest.config import IngestConfig
from components.ingest.ingest import ingest
from components.prune.config import PruneConfig
from components.prune.prune import prune
from components.split.config import SplitConfig
from components.split.split import split
from components.train.config import TrainConfig
from components.train.on_vectors import fit_family, read_source
from components.train.train import train
from darkroom import manifest
from darkroom.embeddings import Embeddings
from darkroom.evaluation import read_headline
from darkroom.images import Images
from darkroom.model import Predictor, labels_of
from darkroom.networks.families import ON_VECTORS
from darkroom.system.config import parse
from pipelines.version.sample import write_sample

BCCD = Path(__file__).resolve().parents[3].parent / "shared" / "data" / "bccd_multilabel"
LEAST = {"digits": 0.75, "bccd": 0.45}  # balanced accuracy on the test images that every family reaches


@pytest.fixture(scope="module", params=["digits", "bccd"])
def prepared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """The name of a set, and a folder with what the steps before `train` make of it."""
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "bccd" and not BCCD.is_dir():
        pytest.skip("the set bccd_multilabel is not beside the project")
    if request.param == "digits":
        write_sample(folder / "data")
    place = {name: folder / name for name in ("images", "manifest", "cleaned", "issues", "splits", "embeddings")}
    ingest(BCCD if request.param == "bccd" else folder / "data", place["images"], place["manifest"], config=IngestConfig())
    embed(place["images"], place["embeddings"], config=EmbedConfig())
    clean(place["images"], place["manifest"], place["cleaned"], place["issues"], config=CleanConfig())
    split(place["cleaned"], place["splits"], config=SplitConfig())
    further = (folder / name for name in ("augmented_images", "examples", "policy", "contact_sheet"))
    augment(place["images"], place["splits"], *further, config=AugmentConfig())
    return request.param, folder


@pytest.mark.slow
@pytest.mark.parametrize("family", [*ON_VECTORS, "small_cnn"])
def test_a_family_trains_evaluates_exports_and_predicts(prepared: tuple[str, Path], tmp_path: Path, family: str) -> None:
    name, folder = prepared
    settings: dict[str, Any] = {"model": family, "num_trees": 50}
    config = parse(TrainConfig, "train", settings | ({"epochs": 6, "side_px": 32} if family == "small_cnn" else {}))
    inputs = {one: folder / one for one in ("images", "augmented_images", "examples", "policy")}
    outputs = {one: tmp_path / one for one in ("model", "floor_model", "history", "learning_curves")}
    train(**inputs, **outputs, embeddings=folder / "embeddings", config=config)
    quick = EvaluateConfig(num_resamples=100)
    evaluate(folder / "images", folder / "splits", tmp_path / "model", tmp_path / "evaluation", config=quick)
    if family != "small_cnn":
        assert read_headline(tmp_path / "evaluation")["balanced_accuracy"] > LEAST[name]
        assert prune(**inputs, model=tmp_path / "model", pruned_model=tmp_path / "pruned", config=PruneConfig())["met"] == 0
        answers_are_the_trained_ones(folder, tmp_path / "model", family, config)


def answers_are_the_trained_ones(folder: Path, model: Path, family: str, config: TrainConfig) -> None:
    """Compares a bundle's answers on pixels with those of the same fit on the embeddings."""
    table = manifest.read(folder / "splits").where("test")
    names, predictor = table.column("image_id"), Predictor(model)
    found = predictor.predict(Images(folder / "images")[name] for name in names)
    fitted = fit_family(family, read_source(folder / "embeddings", manifest.read(folder / "examples"), config).problem, config)
    expected = fitted.head.probabilities(Embeddings(folder / "embeddings").of(names))
    np.testing.assert_allclose(found, expected, atol=1e-3 if family == "probe" else 1e-4)  # a probe's vectors are not rounded to float16
    assert (labels_of(predictor.card, found) == labels_of(predictor.card, expected)).mean() > 0.999
    assert predictor.card.classes == table.classes
    assert predictor.card.thresholds == fitted.thresholds
