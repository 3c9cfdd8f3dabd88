"""Odd images in `clean`: each kind is found among photographs, flagged unless set otherwise, and a class that is so is left alone."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageFilter

from components.clean.class_balance import find_table_issues
from components.clean.clean import clean
from components.clean.config import CleanConfig
from components.clean.odd_images import ODD_CHECKS, find_odd_images
from components.clean.off_topic import class_distances
from components.clean.outliers import rows_of_classes
from components.embed.config import EmbedConfig
from components.embed.embed import embed
from components.ingest.config import IngestConfig
from components.ingest.ingest import ingest
from darkroom import embeddings
from darkroom import issues as issue_table
from darkroom import manifest as manifests
from darkroom.embeddings import Embeddings, Origin, make_batch
from darkroom.image_quality import MEASURES
from darkroom.images import ImageWriter, image_id
from darkroom.manifest import Manifest, make_table
from darkroom.preprocessing.recipe import Recipe
from darkroom.similarity.candidates import Projection
from tests.photographs import jpeg, photograph

SHARED = Path(__file__).resolve().parents[3].parent / "shared" / "data"
NUM_GOOD = 40
SPOILT: dict[str, Callable[[Image.Image], Image.Image]] = {
    "dark": lambda picture: ImageEnhance.Brightness(picture).enhance(0.12),
    "bright": lambda picture: Image.blend(picture, Image.new("RGB", picture.size, "white"), 0.9),
    "blurred": lambda picture: picture.filter(ImageFilter.GaussianBlur(5)),
    "low_information": lambda picture: Image.new("RGB", picture.size, (90, 120, 60)),
    "grey": lambda picture: picture.convert("L"),
    "odd_size": lambda picture: picture.resize((18, 14)),
    "odd_aspect": lambda picture: picture.crop((0, 0, 120, 20)),
}


def pack(folder: Path, pictures: dict[str, tuple[Image.Image, str]]) -> Path:
    """Packs pictures by path, each with its label."""
    rows = [(path, jpeg(picture, quality=92), label) for path, (picture, label) in sorted(pictures.items())]
    with ImageWriter(folder / "images") as writer:
        for _, data, _ in rows:
            writer.add(data)
    none = [None] * len(rows)
    columns = {"path": [row[0] for row in rows], "image_id": [image_id(row[1]) for row in rows], "label": [row[2] for row in rows]}
    table = make_table(columns | {"width": none, "height": none, "group": none, "given_split": none})
    Manifest(table, ("a", "b"), "binary", "v1").write(folder / "manifest")
    return folder


def good() -> dict[str, tuple[Image.Image, str]]:
    return {f"{label}/{number:02d}": (photograph(number + 100 * (label == "b")), label) for label in "ab" for number in range(NUM_GOOD)}


def run(folder: Path, **config: object) -> tuple[Manifest, list[dict[str, object]]]:
    places = [folder / name for name in ("images", "manifest", "cleaned", "issues")]
    vectors = folder / "embeddings" if (folder / "embeddings").exists() else None
    clean(*places, config=CleanConfig(near_duplicates="off", same_things="off", **config), embeddings=vectors)
    return manifests.read(places[2]), [row for row in issue_table.rows(places[3]) if row["check"] in ODD_CHECKS]


@pytest.fixture(scope="module")
def spoilt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photographs of two classes, and one image of each kind that is spoilt."""
    changed = {f"a/{check}": (change(photograph(500 + place)), "a") for place, (check, change) in enumerate(SPOILT.items())}
    return pack(tmp_path_factory.mktemp("spoilt"), good() | changed)


def test_each_kind_is_found_and_nothing_else(spoilt: Path) -> None:
    kept, found = run(spoilt)
    assert {(row["path"], row["check"]) for row in found} >= {(f"a/{check}", check) for check in SPOILT}
    assert {row["path"] for row in found} == {f"a/{check}" for check in SPOILT}
    assert {row["action"] for row in found} == {"flagged"}
    assert len(kept) == 2 * NUM_GOOD + len(SPOILT)
    assert set(kept.column("proposed_action")) == {None}


def test_actions_are_as_set_and_drop_is_a_proposal(spoilt: Path) -> None:
    kept, found = run(spoilt, **dict.fromkeys(ODD_CHECKS, "off") | {"dark": "drop", "blurred": "tie"}, blurred_threshold=3.01)
    actions = {(row["check"], row["action"]) for row in found}
    assert actions == {("dark", "drop proposed"), ("blurred", "tied")}
    by_path = {row["path"]: row for row in kept.table.to_pylist()}
    assert {path for path, row in by_path.items() if row["proposed_action"] == "drop"} == {"a/dark"}
    tied = [by_path[str(row["path"])] for row in found if row["check"] == "blurred"]
    assert len(tied) > 1
    assert {row["cluster"] for row in tied} == {min(row["image_id"] for row in tied)}


def test_a_threshold_that_is_set_holds_for_every_class(spoilt: Path) -> None:
    off = dict.fromkeys(ODD_CHECKS, "off")
    kept, found = run(spoilt, **off | {"dark": "flag"}, dark_threshold=0.0, max_odd_share=0.01)
    assert len(found) == len(kept)
    scores = sorted(float(str(row["score"])) for row in found)
    threshold = scores[5] + 1e-3  # far below the median
    _, found = run(spoilt, **off | {"dark": "flag"}, dark_threshold=threshold)
    assert len(found) == sum(score >= threshold for score in scores) > len(scores) / 2
    assert run(spoilt, **off)[1] == []


def test_a_class_that_is_dark_or_grey_is_not_odd(tmp_path: Path) -> None:
    pictures = good()
    for path, (picture, label) in list(pictures.items()):
        if label == "b":
            pictures[path] = (SPOILT["dark"](SPOILT["grey"](picture)), label)
    _, found = run(pack(tmp_path, pictures))
    assert found == []


def test_what_is_far_from_its_class_is_off_topic(tmp_path: Path) -> None:
    pictures = good()
    for number in range(3):  # of one kind: they do not hide each other
        pictures[f"a/foreign{number}"] = (Image.new("RGB", (120, 96), (90, 120, 60 + 20 * number)), "a")
    pack(tmp_path, pictures)
    embed(tmp_path / "images", tmp_path / "embeddings", config=EmbedConfig(backbone="handcrafted"))
    _, found = run(tmp_path)
    assert [row["path"] for row in found if row["check"] == "off_topic"] == [f"a/foreign{number}" for number in range(3)]
    known = Embeddings(tmp_path / "embeddings")
    assert np.isnan(
        class_distances(Projection(known), ["missing", known.names[0]], rows_of_classes([frozenset("a"), frozenset("a")]))
    ).all()


def test_what_is_near_to_images_of_another_class_is_not_off_topic(tmp_path: Path) -> None:
    """Of two images far from their class one is like half of another class."""
    shown = np.array([0] * 40 + [1] * 40 + [2] * 40 + [2, 3])
    labels = [frozenset("a")] * 40 + [frozenset("b")] * 80 + [frozenset("a")] * 2
    names = [f"i{row:03d}" for row in range(len(shown))]
    rng = np.random.default_rng(0)
    vectors = np.eye(4, 16)[shown] + 0.1 * rng.standard_normal((len(shown), 16))
    norms, blank = np.linalg.norm(vectors, axis=1), np.zeros((len(shown), 32, 32), np.uint8)
    batch = make_batch(names, vectors / norms[:, None], norms, blank, np.zeros((len(shown), 8, 8, 3), np.uint8), [0] * len(shown))
    embeddings.write(tmp_path / "embeddings", Origin("lite0", "ab" * 32, "features", Recipe(224), "float32", "cpu", 16), [batch])
    qualities, sizes = np.zeros((len(shown), len(MEASURES))), np.full((len(shown), 2), 100.0)
    found, _ = find_odd_images(names, labels, qualities, sizes, Projection(Embeddings(tmp_path / "embeddings")), CleanConfig())
    assert [(one.check, one.row) for one in found] == [("off_topic", 121)]


def table(labels: list[list[str]], **columns: object) -> Manifest:
    names = [f"n{row:03d}" for row in range(len(labels))]
    task = "multiclass" if all(len(one) == 1 for one in labels) else "multilabel"
    kind = {"label": [one[0] for one in labels]} if task == "multiclass" else {"labels": labels}
    made = make_table({"path": names, "image_id": names, "cluster": names, "group": columns.pop("group", [None] * len(names)), **kind})
    for name, values in columns.items():
        made = made.append_column(name, [values])
    return Manifest(made, ("a", "b", "c"), task, "v1")


def about(kept: Manifest, **config: object) -> list[tuple[str, float, str]]:
    labels = kept.column("labels") if kept.task == "multilabel" else [[label] for label in kept.column("label")]
    found = find_table_issues(kept, [frozenset(one) for one in labels], CleanConfig(**config))
    return [(one.check, round(one.score, 3), one.detail.split("'")[1]) for one in found]


def test_small_and_outnumbered_classes_are_findings() -> None:
    kept = table([["a"]] * 250 + [["b"]] * 30 + [["c"]] * 20)
    assert about(kept) == [("imbalance", 12.5, "c")]
    assert about(kept, min_class_images=40, max_imbalance=20) == [("few_images", 1.333, "b"), ("few_images", 2.0, "c")]
    assert about(kept, min_class_images=40, few_images="off", imbalance="off") == []
    several = table([["a", "b"]] * 95 + [["a"]] * 2 + [["b", "c"]] * 3 + [[]] * 30)
    assert about(several) == [("few_images", 6.667, "c"), ("imbalance", 42.333, "c")]


def test_columns_with_missing_values_are_findings() -> None:
    labels = [["a"], ["b"], ["c"], ["a"]]
    columns = {"age": [1.0, None, float("nan"), 3.0], "site": ["x", " ", "y", None], "full": [1, 2, 3, 4], "empty": ["", "", "", ""]}
    kept = table(labels, group=["p", None, "q", "r"], **columns)
    found = about(kept, few_images="off", imbalance="off")
    assert found == [("missing_values", 0.25, "group"), ("missing_values", 0.5, "age"), ("missing_values", 0.5, "site")]
    assert about(kept, missing_values="off", few_images="off", imbalance="off") == []


@pytest.mark.slow
@pytest.mark.parametrize(("name", "largest"), [("weather4", 0.03), ("bccd_multilabel", 0.02)])  # 27 of weather4 are black and white
def test_real_sets_have_few_odd_images(tmp_path: Path, name: str, largest: float) -> None:
    if not (SHARED / name).exists():
        pytest.skip(f"the set {name} is not beside the project")
    ingest(SHARED / name, tmp_path / "images", tmp_path / "manifest", config=IngestConfig())
    kept, found = run(tmp_path)
    assert len({row["path"] for row in found}) <= largest * len(kept)
