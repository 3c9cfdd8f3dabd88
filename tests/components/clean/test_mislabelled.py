"""Labels that other images contradict: what is found, what is proposed, and where nothing is judged."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from components.clean.config import CleanConfig
from components.clean.mislabelled import judge_labels
from darkroom import embeddings
from darkroom.embeddings import Embeddings, Origin, make_batch
from darkroom.manifest import Manifest, make_table
from darkroom.preprocessing.recipe import Recipe

CLASSES = ("a", "b", "c")
ORIGIN = Origin("lite0", "ab" * 32, "features", Recipe(224), "float32", "cpu", 16)


def vectors_of(folder: Path, names: list[str], meanings: np.ndarray) -> Embeddings:
    """Embeddings in which images of the same meaning, `(N, K)`, lie together, on thumbnails of noise."""
    rng = np.random.default_rng(0)
    vectors = meanings @ np.eye(meanings.shape[1], 16) + 0.25 * rng.standard_normal((len(names), 16))
    norms = np.linalg.norm(vectors, axis=1)
    grey = rng.integers(0, 256, (len(names), 32, 32), dtype=np.uint8)
    colours = rng.integers(0, 256, (len(names), 8, 8, 3), dtype=np.uint8)
    rows = make_batch(names, vectors / norms[:, None], norms, grey, colours, [0] * len(names))
    embeddings.write(folder / "embeddings", ORIGIN, [rows])
    return Embeddings(folder / "embeddings")


def cleaned(labels: list[str], clusters: list[str] | None = None) -> Manifest:
    """Images `i000` and on, as they are before their labels are judged."""
    names = [f"i{number:03d}" for number in range(len(labels))]
    columns = {"path": names, "image_id": names, "label": labels, "cluster": clusters or names, "pixel_hash": names}
    return Manifest(make_table(columns), CLASSES, "multiclass", "v1")


def ring(number: int = 120, moved: tuple[int, ...] = (5, 50, 100)) -> tuple[np.ndarray, list[str]]:
    """What images show, and labels of which some are moved to the next class."""
    y_true = np.arange(number) % 3
    return np.eye(3)[y_true], [CLASSES[(value + (row in moved)) % 3] for row, value in enumerate(y_true.tolist())]


def judge(folder: Path, table: Manifest, meanings: np.ndarray, **config: object):
    return judge_labels(table, vectors_of(folder, table.column("image_id"), meanings), CleanConfig(**config))


def test_columns_are_read_as_often_of_many_images_as_of_few(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read, numbers = Manifest.column, list[int]()
    for number in (60, 240):
        meanings, labels = ring(number)
        asked = list[str]()
        monkeypatch.setattr(Manifest, "column", lambda table, name, asked=asked: asked.append(name) or read(table, name))
        judge(tmp_path / f"{number}", cleaned(labels), meanings)
        numbers.append(len(asked))
    assert numbers[0] == numbers[1] < 30


def test_moved_labels_are_found_the_worst_first_and_only_flagged(tmp_path: Path) -> None:
    meanings, labels = ring()
    found = judge(tmp_path, cleaned(labels), meanings)
    assert sorted(one.row for one in found.findings) == [5, 50, 100]
    scores = [one.score for one in found.findings]
    assert scores == sorted(scores, reverse=True)
    assert {one.action for one in found.findings} == {"flagged"}
    assert "'a'" in found.findings[0].detail
    assert {one.row: one.expected for one in found.findings} == {5: ("c",), 50: ("c",), 100: ("b",)}
    column = found.manifest.column("label_score")
    assert max(score for row, score in enumerate(column) if row not in (5, 50, 100)) < min(scores)
    assert found.manifest.column("label") == labels
    assert set(found.manifest.column("proposed_action")) == {None}


@pytest.mark.parametrize(("action", "wanted"), [("relabel", ["c", "c", "b"]), ("drop", [None] * 3)])
def test_what_should_follow_is_proposed_and_no_label_changes(tmp_path: Path, action: str, wanted: list[str | None]) -> None:
    meanings, labels = ring()
    found = judge(tmp_path, cleaned(labels), meanings, mislabelled=action)
    assert found.manifest.column("label") == labels
    assert [row for row, one in enumerate(found.manifest.column("proposed_action")) if one == action] == [5, 50, 100]
    assert [found.manifest.column("proposed_label")[row] for row in (5, 50, 100)] == wanted
    assert {one.action for one in found.findings} == {f"{action} proposed"}


def test_copies_do_not_vote_for_each_other(tmp_path: Path) -> None:
    """A folder of copies of one picture under a wrong label: alone among models that saw its copies, each would look right."""
    meanings, labels = ring(moved=())
    copies = np.tile([[1.0, 0.0, 0.0]], (6, 1))
    meanings, labels = np.vstack([meanings, copies]), [*labels, *["b"] * 6]
    clusters = [f"i{min(number, 120):03d}" for number in range(126)]
    found = judge(tmp_path, cleaned(labels, clusters), meanings)
    scores = found.manifest.column("label_score")
    assert min(scores[120:]) > 0.5 > max(scores[:120])
    assert {one.row for one in found.findings} <= set(range(120, 126))
    assert len(found.findings) >= 4


def test_what_is_found_does_not_depend_on_the_order_of_the_rows(tmp_path: Path) -> None:
    meanings, labels = ring()
    table = cleaned(labels)
    vectors = vectors_of(tmp_path, table.column("image_id"), meanings)
    order = np.random.default_rng(0).permutation(len(labels))
    shuffled = replace(table, table=table.table.take(order))
    one, other = (judge_labels(each, vectors, CleanConfig()).manifest for each in (table, shuffled))
    assert one.table.take(order).column("label_score").equals(other.table.column("label_score"))


def test_a_class_with_few_images_is_not_judged_and_said(tmp_path: Path) -> None:
    meanings, labels = ring()
    table = replace(cleaned([*labels, "rare", "rare"]), classes=(*CLASSES, "rare"))
    found = judge(tmp_path, table, np.vstack([meanings, [[1, 1, 1], [1, 1, 0]]]))
    assert found.manifest.column("label_score")[-2:] == [None, None]
    assert sorted(one.row for one in found.findings) == [5, 50, 100]
    assert len(found.skipped) == 1
    assert "'rare'" in found.skipped[0]
    assert "clean.label_folds" in found.skipped[0]


@pytest.mark.parametrize(
    "labels", [["a", "a", "b", "b"], ["a"] * 40, ["a"] * 40 + ["b"] * 2], ids=["few images", "one class", "one large class"]
)
def test_where_nothing_can_be_judged_nothing_is_and_it_is_said(tmp_path: Path, labels: list[str]) -> None:
    found = judge(tmp_path, cleaned(labels), np.ones((len(labels), 3)), mislabelled="relabel")
    assert (found.findings, set(found.manifest.column("label_score"))) == ([], {None})
    assert found.skipped[-1] == "no label is judged"


def test_where_models_know_nothing_no_label_is_judged_and_it_is_said(tmp_path: Path) -> None:
    labels = [CLASSES[number] for number in np.random.default_rng(3).integers(0, 3, 60)]
    found = judge(tmp_path, cleaned(labels), np.zeros((60, 3)), mislabelled="relabel")
    assert (found.findings, set(found.manifest.column("label_score"))) == ([], {None})
    assert "chance" in found.skipped[-1]


def test_without_embeddings_nothing_is_judged_and_it_is_said() -> None:
    found = judge_labels(cleaned(["a", "b"]), None, CleanConfig())
    assert (found.findings, found.manifest.column("label_score")) == ([], [None, None])
    assert found.skipped


def test_off_leaves_the_table_as_it_is() -> None:
    table = cleaned(["a", "b"])
    found = judge_labels(table, None, CleanConfig(mislabelled="off"))
    assert (found.manifest, found.findings, found.skipped) == (table, [], [])


def test_of_several_labels_the_images_with_a_wrong_one_have_the_worst_scores(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    truth = (rng.random((200, 3)) < 0.5).astype(np.int64)
    given = truth.copy()
    given[[10, 90], [0, 2]] = 1 - given[[10, 90], [0, 2]]
    names = [f"i{number:03d}" for number in range(200)]
    labels = [[CLASSES[label] for label in np.flatnonzero(row)] for row in given]
    table = Manifest(make_table({"path": names, "image_id": names, "labels": labels, "cluster": names}), CLASSES, "multilabel", "v1")
    found = judge(tmp_path, table, 2.0 * truth)
    scores = np.array(found.manifest.column("label_score"))
    assert set(np.argsort(-scores)[:2].tolist()) == {10, 90}
    assert found.manifest.column("labels") == labels
    assert set(found.manifest.column("proposed_labels")) == {None}
