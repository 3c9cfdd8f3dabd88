"""Which models judge labels, and how their answers are joined."""

from pathlib import Path

import numpy as np
import pytest

from components.clean.config import CleanConfig
from components.clean.label_models import Predictor, pooled
from components.clean.mislabelled import Judged, judge_labels
from components.embed.config import EmbedConfig
from components.embed.embed import embed
from components.ingest.config import IngestConfig
from components.ingest.ingest import ingest
from darkroom.embeddings import ENLARGED, Embeddings
from darkroom.images import Images, ImageWriter, image_id
from darkroom.label_errors.out_of_fold import out_of_fold
from darkroom.manifest import Manifest, make_table
from darkroom.runtime.step import call
from darkroom.system.errors import InputError
from darkroom.tracking.tags import VECTORS
from darkroom.training.epochs import nothing
from darkroom.vector_store import kept_origins, shard_names
from tests.photographs import png

COLOURS = ("blue", "green", "red")


def images_of(folder: Path, shown: np.ndarray, labels: list[list[str]], task: str) -> tuple[Manifest, Embeddings, Images]:
    """Small noisy pictures, in which each channel is bright where its column of `shown`, `(N, 3)`, is 1; with hand-made embeddings."""
    noise = np.random.default_rng(0).integers(0, 150, (len(shown), 16, 16, 3))
    data = [png(pixels) for pixels in (noise + 100 * shown[:, None, None, ::-1]).astype(np.uint8)]
    with ImageWriter(folder / "images") as writer:
        for one in data:
            writer.add(one)
    embed(folder / "images", folder / "embeddings", config=EmbedConfig(backbone="handcrafted"))
    names, size = [image_id(one) for one in data], [16] * len(data)
    columns = {"path": names, "image_id": names, "cluster": names, "pixel_hash": names, "width": size, "height": size}
    columns |= {"labels": labels} if task == "multilabel" else {"label": [label for (label,) in labels]}
    return Manifest(make_table(columns), COLOURS, task, "v1"), Embeddings(folder / "embeddings"), Images(folder / "images")


def judged(folder: Path, number: int, moved: tuple[int, ...], **config: object) -> Judged:
    """Labels of pictures of three colours, of which some are moved to the next one's."""
    y_true = np.arange(number) % 3
    labels = [[COLOURS[(value + (row in moved)) % 3]] for row, value in enumerate(y_true.tolist())]
    table, vectors, images = images_of(folder, np.eye(3)[y_true], labels, "multiclass")
    return judge_labels(table, vectors, CleanConfig(**config), images)


@pytest.mark.parametrize("exclusive", [True, False])
def test_a_model_that_guesses_hardly_counts_beside_one_that_knows(exclusive: bool) -> None:
    rng = np.random.default_rng(0)
    wanted = np.eye(3, dtype=np.float32)[rng.integers(0, 3, 300)]
    knows = (0.1 + 0.7 * wanted).astype(np.float32)
    guesses = rng.dirichlet(np.full(3, 5.0), 300).astype(np.float32)
    for pair in ((knows, guesses), (guesses, knows)):
        assert np.abs(pooled(*pair, wanted, exclusive=exclusive) - knows).max() < 0.15


def test_answers_of_both_are_pooled_so_that_given_labels_are_likelier_than_by_either() -> None:
    rng = np.random.default_rng(0)
    features, wanted = rng.standard_normal((90, 4)).astype(np.float32), np.eye(3, dtype=np.float32)[np.arange(90) % 3]
    features[:, 0] += wanted[:, 0] * 2
    networks = (0.2 + 0.4 * wanted).astype(np.float32)
    networks = np.where(wanted[:, :1] > 0, np.float32(1 / 3), networks)  # which knows nothing of the class that linear models know
    folds = np.arange(90) // 3 % 5
    linear, nobody = out_of_fold(features, wanted, folds, exclusive=True), np.zeros(90, bool)
    predictor = Predictor(features, wanted, folds, True, lambda doubted: networks, [])
    found = predictor(nobody)
    losses = [-np.log((one * wanted).sum(1)).mean() for one in (found, linear, networks)]
    assert losses[0] < min(losses[1:])
    np.testing.assert_allclose(found.sum(1), 1, rtol=1e-5)
    for alone in (predictor(), Predictor(features, wanted, folds, True, None, [])(nobody)):
        np.testing.assert_array_equal(alone, linear)


@pytest.mark.slow
def test_for_few_images_no_further_vectors_are_computed_and_nothing_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def computed(
        images: Images, embeddings: Embeddings, names: list[str], backbone: str, side_px: int, store: Path | None
    ) -> tuple[np.ndarray, list[str]]:
        asked.append((len(names), backbone, side_px, store))
        return np.zeros((len(names), 4), np.float16), []

    monkeypatch.setattr("darkroom.label_errors.enlarged.enlarged_vectors", computed)
    assert judged(tmp_path / "few", 60, (7,)).told == ()
    assert judged(tmp_path / "off", 60, (7,), label_min_images=1, label_vectors="off").told == ()
    assert asked == []
    assert len(judged(tmp_path / "many", 60, (7,), label_min_images=60).told) == 1
    assert judged(tmp_path / "tiny", 60, (7,), label_min_images=60, label_min_side_px=1000).told == ()
    assert asked == [(60, "lite0", 96, None)]


@pytest.mark.slow
def test_vectors_of_a_pretrained_network_are_joined_to_hand_made_ones(tmp_path: Path) -> None:
    found = judged(tmp_path, 240, (7, 50), label_vectors="lite0", label_side_px=32)
    assert found.told == ("labels are judged with vectors of lite0 at 32 px, beside the hand-made features",)
    assert set(np.argsort(-np.array(found.manifest.column("label_score")))[:2].tolist()) == {7, 50}


@pytest.mark.slow
def test_networks_judge_with_the_linear_models_and_a_note_says_what_they_were(tmp_path: Path) -> None:
    found = judged(tmp_path, 120, (7, 50), label_model="network", label_epochs=4)
    assert len(found.told) == 1
    assert found.told[0].endswith("5 networks together: small_cnn, 4 epochs of about 94 images each, at 16 px")
    scores = np.array(found.manifest.column("label_score"))
    assert set(np.argsort(-scores)[:2].tolist()) == {7, 50}


@pytest.mark.slow
def test_networks_judge_several_labels(tmp_path: Path) -> None:
    shown = np.random.default_rng(1).integers(0, 2, (200, 3))
    given = shown.copy()
    given[[10, 90], [0, 2]] = 1 - given[[10, 90], [0, 2]]
    labels = [[COLOURS[label] for label in np.flatnonzero(row)] for row in given]
    table, vectors, images = images_of(tmp_path, shown, labels, "multilabel")
    found = judge_labels(table, vectors, CleanConfig(label_model="network", label_epochs=6), images)
    assert set(np.argsort(-np.array(found.manifest.column("label_score")))[:2].tolist()) == {10, 90}


def test_networks_for_too_few_images_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^clean\.label_model is 'network', and a fold leaves 24 images"):
        judged(tmp_path, 30, (), label_model="network")


@pytest.mark.slow
def test_a_run_keeps_the_vectors_where_those_of_embed_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    for number in range(30):
        (tmp_path / "data" / COLOURS[number % 3]).mkdir(parents=True, exist_ok=True)
        shown = rng.integers(0, 150, (32, 32, 3)) + 100 * np.eye(3, dtype=int)[2 - number % 3]
        (tmp_path / "data" / COLOURS[number % 3] / f"{number}.png").write_bytes(png(shown.astype(np.uint8)))
    images, delivered, store = tmp_path / "images", tmp_path / "manifest", tmp_path / "vectors"
    ingest(tmp_path / "data", images, delivered, config=IngestConfig())
    embed(images, tmp_path / "embeddings", config=EmbedConfig(), store=store)
    given = {"images": images, "manifest": delivered, "embeddings": tmp_path / "embeddings"}
    monkeypatch.setenv(VECTORS, str(store))
    written = []
    for place in ("first", "second"):
        outputs = {name: tmp_path / place / name for name in ("cleaned", "issues")}
        (tmp_path / place).mkdir()
        call("clean", {"label_min_images": 1}, {name: str(path) for name, path in {**given, **outputs}.items()}, nothing)
        written.append([path.read_bytes() for path in outputs.values()])
    (origin,) = (origin for origin in kept_origins(store) if origin.layer == ENLARGED)
    assert sum(len(shard_names(path)) for path in (store / origin.key).glob("*.arrow")) == 30
    assert written[0] == written[1]
