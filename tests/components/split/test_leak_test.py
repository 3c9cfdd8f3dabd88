"""The leak test: pictures under several exposures on both sides are seen, told, refused or merged; different pictures are none."""

import shutil
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import ImageEnhance

from components.embed.config import EmbedConfig
from components.embed.embed import embed
from components.split import leak_test
from components.split.account import counts_of
from components.split.cluster_floor import floor_by_clusters, sampled
from components.split.config import SplitConfig
from components.split.split import split
from components.split.straddling import check_classes, check_straddling
from darkroom import manifest, proposals
from darkroom.images import ImageWriter, image_id
from darkroom.leaks import Leaks, read_leaks
from darkroom.manifest import Manifest, make_table
from darkroom.metrics.intervals import wilson
from darkroom.system.errors import InputError
from tests.photographs import jpeg, photograph

NUM_PICTURES, NUM_SHOTS = 24, 4


def write(folder: Path, shots: dict[str, bytes], rare: tuple[str, ...] = ()) -> Path:
    """Images, their manifest and their embeddings, as the steps before leave them; the classes take turns, but for rare pictures."""
    with ImageWriter(folder / "images") as writer:
        for data in shots.values():
            writer.add(data)
    columns = {
        "path": list(shots), "image_id": [image_id(data) for data in shots.values()], "width": [120] * len(shots),
        "height": [96] * len(shots), "label": ["c" if path[:4] in rare else "ab"[int(path[1:4]) % 2] for path in shots],
    }  # fmt: skip
    classes = ("a", "b", "c") if rare else ("a", "b")
    Manifest(make_table(columns), classes, "multiclass" if rare else "binary", "v1").write(folder / "cleaned")
    embed(folder / "images", folder / "embeddings", config=EmbedConfig(backbone="handcrafted"))
    return folder


def shots_of(first: int, number: int, num_shots: int = NUM_SHOTS) -> dict[str, bytes]:
    """Each picture under several exposures and small shifts."""
    found = {}
    for seed in range(first, first + number):
        for shot in range(num_shots):
            picture = photograph(seed).crop((shot, shot, 116 + shot, 92 + shot))
            found[f"p{seed:03d}-{shot}.jpg"] = jpeg(ImageEnhance.Brightness(picture).enhance(0.6 + 0.2 * shot))
    return found


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures under several exposures, which nothing ties."""
    return write(tmp_path_factory.mktemp("several"), shots_of(0, NUM_PICTURES))


def run(folder: Path, out: Path, previous: Path | None = None, evaluation: Path | None = None, **values: object) -> tuple[Manifest, Leaks]:
    further = {f"evaluation_{name}": evaluation / name for name in ("cleaned", "images", "embeddings")} if evaluation else {}
    given = {"images": folder / "images", "embeddings": folder / "embeddings", "previous": previous, "leaks": out / "leaks", **further}
    split(folder / "cleaned", out / "splits", config=SplitConfig(**values), **given)  # type: ignore[arg-type]
    found = read_leaks(out / "leaks")
    assert found
    return manifest.read(out / "splits"), found


def sides(result: Manifest) -> dict[str, set[str]]:
    found = defaultdict(set)
    for path, part in zip(result.column("path"), result.column("split"), strict=True):
        found[path.partition("-")[0]].add(part)
    return found


def test_what_is_split_blindly_leaks(several: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result, found = run(several, tmp_path)
    train, test = (set(result.where(part).column("path")) for part in ("train", "test"))
    known = {path.partition("-")[0] for path in train}
    assert {one.path for one in found.found} == {path for path in test if path.partition("-")[0] in known}
    assert all(one.other in train and one.other[:4] == one.path[:4] for one in found.found)
    assert found.share > 0.8 and found.low <= found.share <= found.high and found.beyond_chance
    assert {one.check for one in found.found} == {"near_duplicate"}
    assert found.floor["as_split"].keys() == found.floor["by_clusters"].keys() >= {"accuracy", "f1_macro"}
    assert any(note.is_warning and "split.leaks=merge" in note.text for note in result.notes)
    assert found.found[0].path in capsys.readouterr().out


def test_labels_that_models_proposed_do_not_raise_what_a_leak_is_worth(several: Path, tmp_path: Path) -> None:
    _, found = run(several, tmp_path)
    cleaned, shared = manifest.read(several / "cleaned"), tmp_path / "proposing"
    shutil.copytree(several, shared)
    table = proposals.with_columns(cleaned.table)
    rows = np.arange(0, len(cleaned), 3)
    wanted = [[name for name in cleaned.classes if name != cleaned.column("label")[row]][:1] for row in rows]
    replace(cleaned, table=proposals.propose(table, rows, proposals.RELABEL, wanted)).write(shared / "cleaned")
    (tmp_path / "other").mkdir()
    result, other = run(shared, tmp_path / "other")
    assert result.column("label") != cleaned.column("label")
    assert other.floor == found.floor


def test_of_many_tested_images_a_sample_says_what_leaks(several: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result, found = run(several, tmp_path)
    test = result.where("test").column("image_id")
    monkeypatch.setattr(leak_test, "TOGETHER", 7)  # images are compared a few at a time, and the leaks are the same
    (tmp_path / "sample").mkdir()
    _, few = run(several, tmp_path / "sample", max_leak_tested=6)
    assert len(test) > 6 == few.num_images == len(few.sample) and set(few.sample) < set(test) and not found.sample
    same = [one for one in found.found if one.image_id in few.sample]
    assert [(one.path, one.check) for one in few.found] == [(one.path, one.check) for one in same] != []
    assert few.share == len(same) / 6 and few.low <= found.share <= few.high


def test_leaks_are_refused_where_they_are_to_fail(several: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"split\.leaks"):
        run(several, tmp_path, leaks="fail")
    assert not (tmp_path / "splits").exists()


def test_merged_pictures_stand_on_one_side(several: Path, tmp_path: Path) -> None:
    result, found = run(several, tmp_path, leaks="merge")
    assert {picture: parts for picture, parts in sides(result).items() if len(parts - {"excluded"}) > 1} == {}
    assert (found.share, found.found, found.beyond_chance) == (0, (), False)
    named = dict(zip(result.column("path"), result.column("cluster"), strict=True))
    assert len(set(named.values())) == len({(path[:4], name) for path, name in named.items()}) == NUM_PICTURES
    assert (found.low, found.high) == wilson(0, len({path[:4] for path in result.where("test").column("path")}))


def test_merging_drops_no_class_of_an_earlier_test_split(tmp_path: Path) -> None:
    folder = write(tmp_path, shots_of(0, NUM_PICTURES, 3), rare=("p004", "p010"))
    blind, _ = run(folder, tmp_path)
    (tmp_path / "again").mkdir()
    kept = dict(zip(blind.column("path"), blind.column("split"), strict=True))
    rare = {part for path, part in kept.items() if path[:4] in ("p004", "p010")}
    assert rare == {"train", "validation", "test"}
    try:
        result, _ = run(folder, tmp_path / "again", previous=tmp_path / "splits", leaks="merge", max_excluded=1.0)
    except InputError as error:
        assert "class 'c'" in str(error) and "split.previous=none" in str(error)
        return
    for path, part in zip(result.column("path"), result.column("split"), strict=True):
        assert part == kept[path] or kept[path] == "train"


def test_merging_moves_nothing_out_of_an_earlier_test_or_validation_split(several: Path, tmp_path: Path) -> None:
    blind, _ = run(several, tmp_path)
    with pytest.raises(InputError, match=r"split\.max_excluded"):
        run(several, tmp_path, previous=tmp_path / "splits", leaks="merge")
    (tmp_path / "again").mkdir()
    kept, found = run(several, tmp_path / "again", previous=tmp_path / "splits", leaks="merge", max_excluded=1.0)
    before, after = (dict(zip(one.column("path"), one.column("split"), strict=True)) for one in (blind, kept))
    assert {before[path] for path, part in after.items() if part != before[path]} == {"train"}
    assert {part for path, part in after.items() if part != before[path]} == {"excluded"}
    assert found.share == 0


def test_different_pictures_do_not_leak(tmp_path: Path) -> None:
    folder = write(tmp_path, shots_of(100, 60, num_shots=1))
    result, found = run(folder, tmp_path)
    assert (found.share, found.beyond_chance) == (0, False)
    assert not any(note.is_warning for note in result.notes)


def test_copies_of_a_frozen_evaluation_set_are_not_trained_on(several: Path, tmp_path: Path) -> None:
    own = write(
        tmp_path / "own", {path: data for path, data in shots_of(0, 28).items() if path[:4] in ("p003", "p026", "p027") and path[5] == "2"}
    )
    result, found = run(several, tmp_path, evaluation=own)
    excluded = {path for path, part in zip(result.column("path"), result.column("split"), strict=True) if part == "excluded"}
    assert excluded == {f"p003-{shot}.jpg" for shot in range(NUM_SHOTS)}
    assert (found.num_images, found.share) == (3, 0)
    assert any("4 show the same as one of it" in note.text for note in result.notes)


def test_without_embeddings_nothing_is_tested(several: Path, tmp_path: Path) -> None:
    split(several / "cleaned", tmp_path / "splits", config=SplitConfig(), leaks=tmp_path / "leaks")
    assert read_leaks(tmp_path / "leaks") is None


def test_a_floor_that_knows_things_by_their_neighbours_falls_under_folds_by_clusters() -> None:
    rng = np.random.default_rng(0)
    things = rng.normal(0, 1, (60, 64))
    vectors = np.repeat(things, 6, axis=0) + rng.normal(0, 0.2, (360, 64))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    labels = np.eye(3, dtype=np.int64)[np.repeat(rng.integers(0, 3, 60), 6)]  # of no relation to the vectors but by the thing
    found = floor_by_clusters(vectors, labels, np.arange(360), "multiclass", 0)
    assert found["as_split"]["accuracy"] > 0.9
    assert found["by_clusters"]["accuracy"] < 0.6
    assert floor_by_clusters(vectors[:8], labels[:8], np.arange(8), "multiclass", 0) == {}
    few = sampled(np.repeat(np.arange(4_000), 2), 0)
    assert len(few) == 5_000 and (few[::2] + 1 == few[1::2]).all()


def test_a_group_in_two_splits_fails_and_a_class_that_a_split_lacks_is_told() -> None:
    columns = {"path": ["x", "y", "z", "u"], "image_id": list("1234"), "label": list("aabb"), "group": ["g", "g", None, None]}
    table = Manifest(make_table(columns), ("a", "b"), "binary", "v1")
    assert check_straddling(table, np.array([0, 3, 1, 2]), SplitConfig()) == []
    with pytest.raises(InputError, match=r"group.*split\.straddling"):
        check_straddling(table, np.array([0, 1, 2, 2]), SplitConfig())
    assert len(check_straddling(table, np.array([0, 1, 2, 2]), SplitConfig(straddling="warn"))) == 1
    from scipy.sparse import csr_array

    labels = csr_array(np.array([[1, 0], [1, 0], [0, 1], [0, 1]]))
    missing = check_classes(table.classes, counts_of(labels, np.array([0, 1, 0, 1])), SplitConfig())
    assert [text.partition(" shows")[0] for text in missing] == ["no image in test"]
    assert "'a', 'b'" in missing[0]
    with pytest.raises(InputError, match=r"split\.missing_classes"):
        check_classes(table.classes, counts_of(labels, np.array([0, 1, 2, 2])), SplitConfig(missing_classes="fail"))
