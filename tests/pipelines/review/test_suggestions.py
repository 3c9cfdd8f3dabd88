"""Suggestions: images of small margins, unlike each other; labelled ones by models that have not learnt from them, and unlabelled ones."""

import shutil
from dataclasses import replace
from pathlib import Path

import fsspec
import numpy as np
import pytest

from components.embed.config import EmbedConfig
from components.embed.embed import embed
from components.ingest.config import IngestConfig
from darkroom.images import ImageWriter
from darkroom.manifest import Manifest, make_table
from darkroom.system.errors import InputError
from pipelines.review.reviewed_run import ReviewedRun
from pipelines.review.suggestions import choose, suggest
from tests.pipelines.conftest import shapes


def test_small_margins_come_first_and_copies_of_what_is_chosen_last() -> None:
    vectors = np.eye(4, dtype=np.float32)[[0, 0, 1, 2, 3]]
    margins = np.array([0.0, 0.01, 0.3, np.inf, 0.9], np.float32)
    assert choose(margins, vectors, 3) == [0, 2, 4]
    assert choose(margins, vectors, 9) == [0, 2, 4, 1]
    assert choose(margins[:0], vectors[:0], 3) == []


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> ReviewedRun:
    """A run on clear shapes, one of which has the label of another class; two images have none."""
    folder = tmp_path_factory.mktemp("run")
    data = shapes(folder / "data", 12)
    (data / "right" / "right 00.png").rename(data / "left" / "wrong.png")
    paths = sorted(path.relative_to(data).as_posix() for path in data.rglob("*.png"))
    with ImageWriter(folder / "images") as writer:
        names = [writer.add((data / path).read_bytes()) for path in paths]
    embed(folder / "images", folder / "embeddings", config=EmbedConfig(backbone="handcrafted", num_threads=1))
    splits = ["test" if path.endswith("05.png") else "train" for path in paths]
    columns = {"path": paths, "image_id": names, "label": [path.partition("/")[0] for path in paths], "split": splits}
    table = Manifest(make_table(columns), ("left", "right", "top"), "multiclass", "v")
    for number, new in enumerate(sorted((shapes(folder / "new", 1, seed=1)).rglob("*.png"))):
        new.rename(data / f"new {number}.png")
    return ReviewedRun("a" * 32, data, table, table, [], folder / "images", folder / "embeddings")


def test_what_is_mislabelled_and_what_has_no_label_is_suggested(
    run: ReviewedRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    found = suggest(run, frozenset(), 40, IngestConfig(ignore=("new 2.png",)), tmp_path / "packed")
    paths = [row["path"] for row in found.rows]
    assert len(paths) == 35 and not [path for path in paths if path.endswith("05.png")]
    assert set(found.unlabelled) == {"new 0.png", "new 1.png"} <= set(paths)
    assert set(found.images) == set(found.unlabelled.values())
    assert next(row["detail"] for row in found.rows if row["path"] == "new 0.png").endswith("has no label")
    assert "looks at 2 images" in capsys.readouterr().err
    again = suggest(run, frozenset([found.rows[0]["image_id"], found.unlabelled["new 1.png"]]), 3, IngestConfig(), tmp_path / "again")
    assert found.rows[0]["path"] not in [row["path"] for row in again.rows] and len(again.rows) == 3
    assert "looks at 1 images" in capsys.readouterr().err  # new 2.png, as the vectors of the others are kept
    assert all(0 <= row["score"] <= 1 for row in found.rows)


def test_what_has_no_label_in_an_archive_is_suggested_too(run: ReviewedRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    archived = replace(run, source=Path(shutil.make_archive(str(tmp_path / "data"), "zip", run.source)))
    assert set(suggest(archived, frozenset(), 40, IngestConfig(), tmp_path / "packed").unlabelled) == {
        "new 0.png",
        "new 1.png",
        "new 2.png",
    }


def test_of_an_address_only_what_has_no_label_is_fetched(
    run: ReviewedRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    store = fsspec.filesystem("memory")
    store.put(f"{run.source}/", "/suggested/shapes/", recursive=True)
    table = make_table({**run.delivered.table.to_pydict(), "image_bytes": [100] * len(run.delivered)})
    there = replace(run, source=Path("memory://suggested/shapes"), delivered=replace(run.delivered, table=table))
    found = suggest(there, frozenset(), 40, IngestConfig(), tmp_path / "packed")
    assert set(found.unlabelled) == {"new 0.png", "new 1.png", "new 2.png"}
    assert f"3 of {len(run.delivered) + 3} file(s)" in capsys.readouterr().out


@pytest.mark.parametrize("source", ["memory://nowhere/shapes", "/nowhere/shapes"])
def test_data_whose_unlabelled_images_can_not_be_read_are_told(
    run: ReviewedRun, tmp_path: Path, source: str, capsys: pytest.CaptureFixture[str]
) -> None:
    found = suggest(replace(run, source=Path(source)), frozenset(), 3, IngestConfig(), tmp_path / "packed")
    assert len(found.rows) == 3 and not found.unlabelled
    told = capsys.readouterr().err
    assert "only images with a label are suggested, as the others can't be read: " in told and f"{source} does not exist" in told


def test_what_is_needed_is_named(run: ReviewedRun, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="embeddings of run aaaaaaaa are not on this machine"):
        suggest(replace(run, embeddings=None), frozenset(), 3, IngestConfig(), tmp_path / "a")
    assert run.splits is not None
    one = replace(run.splits, table=run.splits.table.slice(0, 1))
    with pytest.raises(InputError, match="fewer than two labelled images"):
        suggest(replace(run, splits=one), frozenset(), 3, IngestConfig(), tmp_path / "b")
