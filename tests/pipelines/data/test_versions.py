"""The log of data versions and what differs between two of them, in a real git and DVC repository."""

import json
import shutil
import subprocess
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from components.embed.config import EmbedConfig
from components.ingest.config import IngestConfig
from darkroom.images import image_id
from darkroom.system.config import dump
from darkroom.system.errors import InputError
from darkroom.verdicts import Verdict, append
from darkroom.versions.git_history import data_history, parse_record, record_at
from pipelines import history
from pipelines.data.difference import KINDS, DataDifference, find_difference
from pipelines.data.difference_page import write_page
from pipelines.data.naming import absolute_name, find_snapshot
from pipelines.data.show_difference import sentence, show_difference, show_log
from pipelines.data.snapshot import DataImage, Reader, Snapshot
from pipelines.data.versions_log import log_entries
from tests import forks
from tests.darkroom.versions.test_repository import GIT
from tests.photographs import jpeg, photograph

Find = Callable[..., DataDifference]


def git(folder: Path, *words: str) -> str:
    done = subprocess.run(["git", *words], cwd=folder, env={**GIT, "HOME": str(folder)}, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def commit(folder: Path, message: str) -> None:
    forks.dvc("add", "-q", "data", folder=folder)
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", message)


def draw(path: Path, seed: int) -> bytes:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(jpeg(photograph(seed, 40, 32)))
    return path.read_bytes()


@pytest.fixture(scope="module")
def versioned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three commits: 24 images, then 12 more, one gone and one relabelled; the second commit leaves the data as it is."""
    folder = tmp_path_factory.mktemp("versioned")
    git(folder, "init", "-q", "-b", "main")
    forks.dvc("init", "-q", folder=folder)
    for number in range(24):
        draw(folder / "data" / ("cat" if number % 2 else "dog") / f"{number:02}.jpg", number)
    commit(folder, "first")
    git(folder, "tag", "v1")
    (folder / "other").write_text("nothing of the data")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "other")
    (folder / "data" / "dog" / "00.jpg").unlink()
    (folder / "data" / "dog" / "02.jpg").rename(folder / "data" / "cat" / "02.jpg")
    for number in range(12):
        draw(folder / "data" / "owl" / f"new {number:02}.jpg", 100 + number)
    commit(folder, "second")
    return folder


@pytest.fixture
def here(versioned: Path, mlflow_store: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(versioned)
    return versioned


@pytest.fixture
def find(here: Path, tmp_path: Path) -> Find:
    def found(before: str, after: str) -> DataDifference:
        read, compared = tmp_path / "read", tmp_path / "compared"
        read.mkdir()
        compared.mkdir()
        with ExitStack() as stack:
            reader = Reader(dump(IngestConfig()), read, stack, history.runs())
            sides = [find_snapshot(name, Path("data"), reader) for name in (before, after)]
            return find_difference(*sides, dump(EmbedConfig(backbone="handcrafted")), compared, num_sampled=500)

    return found


def test_the_log_has_each_version_with_its_counts_though_no_run_has_read_it(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    entries = log_entries(Path("data"), dump(IngestConfig()))
    assert [(entry.record.subject, entry.num_images, entry.num_classes, entry.counted) for entry in entries] == [
        ("second", 35, 3, "DVC's cache"),
        ("first", 24, 2, "DVC's cache"),
    ]
    assert [entry.record.num_files for entry in entries] == [35, 24]
    assert json.loads(json.dumps(entries[0].plain()))["data_version"] == entries[0].record.md5
    show_log(entries)
    assert "second" in capsys.readouterr().out


def test_counts_that_nothing_here_knows_are_said_to_be_unknown(here: Path) -> None:
    cache, hidden = here / ".dvc" / "cache", here / ".dvc" / "hidden"
    cache.rename(hidden)
    try:
        (_, first) = log_entries(Path("data"), dump(IngestConfig()))
    finally:
        hidden.rename(cache)
    assert (first.num_images, first.num_classes, first.record.num_files) == (None, None, 24)
    assert "dvc fetch" in first.counted


def test_a_changed_record_that_is_not_committed_comes_first(here: Path) -> None:
    text = (here / "data.dvc").read_text()
    try:
        (here / "data.dvc").write_text(text.replace("md5: ", "md5: 0", 1))
        newest, second, _ = data_history(Path("data"))
        assert (newest.commit, newest.when) == ("", None)
        assert second.subject == "second"
    finally:
        (here / "data.dvc").write_text(text)


@pytest.mark.parametrize("text", ["", "outs: []", "- 1", "outs: [{path: data}]", "a: [", "outs: 3"])
def test_what_is_no_record_is_none(text: str) -> None:
    assert parse_record(text, "data") is None


def test_a_revision_that_looks_like_an_option_is_none(here: Path) -> None:
    assert record_at(Path("data"), "--output=x") is None
    assert record_at(Path("data"), "nowhere") is None


def test_a_difference_needs_no_checkout(find: Find, here: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {path: path.stat().st_mtime_ns for path in (here / "data").rglob("*")}
    found = find("v1", "HEAD")
    plain = json.loads(json.dumps(found.plain()))
    assert plain["counts"] == {"added": 12, "removed": 1, "relabelled": 1, "moved": 0, "kept": 23}
    assert plain["removed"][0]["path"] == "dog/00.jpg"
    assert (plain["relabelled"][0]["before"], plain["relabelled"][0]["after"]) == ("dog", "cat")
    assert [(row["name"], row["before"], row["after"]) for row in plain["classes"]] == [("cat", 12, 13), ("dog", 12, 10), ("owl", 0, 12)]
    assert plain["drift"]["num_later"] == 12
    assert 0 < plain["drift"]["mmd"]["p_value"] <= 1
    assert {row["name"]: row["after"]["median"] for row in plain["statistics"]}["width, px"] == 40
    assert {path: path.stat().st_mtime_ns for path in (here / "data").rglob("*")} == before
    write_page(tmp_path / "page.html", found)
    page = (tmp_path / "page.html").read_text()
    assert page.count("data:image/") == 14
    assert "http" not in page
    show_difference(found)
    assert "~ cat/02.jpg  dog → cat" in capsys.readouterr().out


def test_long_names_of_classes_differ_on_the_page_where_they_only_end_differently(tmp_path: Path) -> None:
    names = ["defect of the surface, scratched", "defect of the surface, <b>rusty</b>"]
    images = {f"{number:064}": DataImage(f"{number}.jpg", (name,), None, "", None, ()) for number, name in enumerate(names)}
    side = Snapshot("v1", "a" * 32, images, ())
    write_page(tmp_path / "page.html", DataDifference(side, side, {kind: [] for kind in KINDS}, 2, [], None, "nothing", []))
    page = (tmp_path / "page.html").read_text()
    assert '<span title="defect of the surface, scratched">defect of th…, scratched</span>' in page
    assert '<span title="defect of the surface, &lt;b&gt;rusty&lt;/b&gt;">defect of th…b&gt;rusty&lt;/b&gt;</span>' in page


def test_a_folder_is_the_version_that_it_holds(find: Find) -> None:
    found = find(absolute_name("data"), "HEAD")
    assert {kind: len(changes) for kind, changes in found.changes.items()} == dict.fromkeys(("added", "removed", "relabelled", "moved"), 0)
    assert found.drift is None
    assert "0 independent images" in found.compared


def test_versions_are_named_by_their_beginnings(find: Find, here: Path) -> None:
    md5 = data_history(Path("data"))[1].md5
    assert find(md5[:8], md5).num_kept == 24


@pytest.mark.parametrize("name", ["nowhere", "", "0000000", "last"])
def test_what_is_no_data_is_told_with_the_forms(find: Find, name: str) -> None:
    with pytest.raises(InputError, match=r"data\.dvc stands"):
        find(name, "HEAD")


def test_a_version_that_is_nowhere_is_one_sentence(find: Find, here: Path) -> None:
    cache, hidden = here / ".dvc" / "cache", here / ".dvc" / "hidden"
    cache.rename(hidden)
    try:
        with pytest.raises(InputError, match="dvc push"):
            find("v1", "HEAD")
    finally:
        hidden.rename(cache)


def side(name: str, **images: DataImage) -> Snapshot:
    return Snapshot(name, name, images, ())


def image(path: str, label: str = "cat", split: str = "", settled: str = "", group: str = "") -> DataImage:
    return DataImage(path, (label,), (settled,) if settled else None, split, (8, 8), (group or None,))


def test_labels_are_compared_as_both_were_settled_or_as_both_were_delivered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    before = side("a", x=image("x", split="train", settled="dog"), y=image("y", settled="cat"), z=image("z", split="train", settled="cat"))
    after = side("b", x=image("x", split="test", settled="dog"), y=image("y", "cat"), z=image("z", split="train", settled="owl"))
    found = find_difference(before, after, dump(EmbedConfig(backbone="handcrafted")), tmp_path, num_sampled=50)
    assert [change.image_id for change in found.changes["relabelled"]] == ["z"]
    assert [(change.image_id, change.before, change.after) for change in found.changes["moved"]] == [("x", "train", "test")]
    assert found.drift is None


def test_no_label_is_one_and_a_label_that_is_not_known_is_no_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    none, unknown = replace(image("x"), labels=()), replace(image("y"), labels=None)
    before, after = side("a", x=none, y=unknown, z=image("z")), side("b", x=image("x"), y=image("y"), z=replace(image("z"), labels=()))
    found = find_difference(before, after, dump(EmbedConfig(backbone="handcrafted")), tmp_path, num_sampled=50)
    assert [(change.image_id, change.before, change.after) for change in found.changes["relabelled"]] == [
        ("x", "", "cat"),
        ("z", "cat", ""),
    ]
    assert [sentence(change, "relabelled") for change in found.changes["relabelled"]] == ["no label → cat", "cat → no label"]


def test_a_persons_verdicts_are_changes_though_no_run_has_read_them(find: Find, here: Path, tmp_path: Path) -> None:
    place = tmp_path / "judged" / "data"
    shutil.copytree(here / "data", place)
    judged = place / "cat" / "01.jpg"
    append(place / "verdicts.csv", Verdict(image_id(judged.read_bytes()), "relabel", "dog", "ann", "2026-01-31T12:00:00+00:00"))
    dropped = place / "cat" / "02.jpg"
    append(place / "verdicts.csv", Verdict(image_id(dropped.read_bytes()), "drop", "", "ann", "2026-01-31T12:00:00+00:00"))
    found = find("HEAD", absolute_name(str(place)))
    assert [(change.path, change.before, change.after) for change in found.changes["relabelled"]] == [("cat/01.jpg", "cat", "dog")]
    assert [change.path for change in found.changes["removed"]] == ["cat/02.jpg"]
    assert {row["name"]: row["after"] - row["before"] for row in found.classes} == {"cat": -2, "dog": 1, "owl": 0}


def test_classes_are_counted_as_delivered_where_a_run_settled_one_side_alone() -> None:
    before = replace(side("a", x=image("x", "cat", settled="dog"), y=image("y", "cat")), run_id="run")
    after = side("b", x=image("x", "cat"), y=image("y", "cat"))
    assert [(row["name"], row["before"], row["after"]) for row in DataDifference(before, after, {}, 2, (), None, "", ()).classes] == [
        ("cat", 2, 2)
    ]


def test_a_run_gives_splits_labels_and_pictures(toys: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run = history.get(toys.run_id)
    with ExitStack() as stack:
        reader = Reader(dump(IngestConfig()), tmp_path, stack, [run])
        found = find_snapshot("last", Path("data"), reader)
        assert found.run_id == toys.run_id
        assert {split: sum(one.split == split for one in found.images.values()) for split in ("train", "validation", "test")} == {
            "train": 18, "validation": 6, "test": 12,
        }  # fmt: skip
        assert set(found.images) <= set(found.files())
