import json
import os
import shutil
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from mlflow import MlflowClient
from PIL import Image

from darkroom import pixel_store
from darkroom.embeddings import ENLARGED, LAYER, Origin, make_batch, write
from darkroom.file_store import COPIES
from darkroom.preprocessing.recipe import Recipe
from darkroom.scans import KEPT_AS, SCHEMA, make_rows, scanned
from darkroom.system.files import write_json
from darkroom.system.locks import lock_run
from darkroom.tracking.runs import finish_run, start_run, tracking_uri
from darkroom.vector_store import RowStore, VectorStore, shard_names, write_shard
from pipelines.collect.garbage import collect
from tests.components.train import toys


def thumbs(number: int) -> tuple[np.ndarray, np.ndarray]:
    """Black thumbnails."""
    return np.zeros((number, 32, 32), np.uint8), np.zeros((number, 8, 8, 3), np.uint8)


OLD = time.time() - 100 * 86_400


class Checkout:
    """A folder with runs: each with a step `ingest` and a step `train`, and the cache's entries for both."""

    def __init__(self, folder: Path) -> None:
        self.runs = folder / "runs"

    def add(self, *, ingest_of: str = "", status: str = "FINISHED", old: bool = True) -> str:
        """A run; its first step its own, or taken from another run's."""
        run_id = start_run("shapes", "", {}, {}, "/data", "a" * 32)
        if status:
            finish_run(run_id, status)  # type: ignore[arg-type]
        artifacts = self.runs / run_id / "artifacts"
        for step in ("train",) if ingest_of else ("ingest", "train"):
            made = artifacts / "pipeline-1" / f"{step}-component" / "output"
            made.parent.mkdir(parents=True)
            made.write_bytes(b"x" * 100_000)
            write_json(self.entry(run_id, step), {"output": {"uri": str(made.absolute())}, "number": 3})
        if ingest_of:
            write_json(artifacts / "used.json", {"ingest": f"{ingest_of}ingest"[-12:]})
        (self.runs / run_id / "logs").mkdir()
        (self.runs / run_id / "logs" / "train.log").write_text("epoch 1")
        (self.runs / run_id / "report.html").write_text("report")
        if old:
            self.age(self.runs / run_id)
        return run_id

    def entry(self, run_id: str, step: str) -> Path:
        return self.runs / "cache" / f"{f'{run_id}{step}'[-12:]}.json"

    def age(self, folder: Path) -> None:
        for path in [folder, *folder.rglob("*")]:
            os.utime(path, (OLD, OLD))

    def steps(self, run_id: str) -> list[str]:
        return sorted(path.name.removesuffix("-component") for path in self.runs.glob(f"{run_id}/artifacts/*/*-component"))


@pytest.fixture
def checkout(mlflow_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Checkout:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("pipelines.collect.garbage._GRACE_S", 0.01)
    return Checkout(tmp_path)


def test_old_runs_go_but_not_what_a_kept_run_took_from_them(checkout: Checkout) -> None:
    first = checkout.add()
    second = checkout.add()
    third = checkout.add(ingest_of=first)
    told = collect(1, dry_run=True)
    assert checkout.steps(first) == ["ingest", "train"]
    done = collect(1)
    assert {**done, "dry_run": True} == told
    assert (checkout.steps(first), checkout.steps(second), checkout.steps(third)) == (["ingest"], [], ["train"])
    assert done["number"]["steps"] == 3
    assert done["bytes"]["steps"] >= 300_000
    entries = sorted(path.name for path in (checkout.runs / "cache").iterdir())
    assert entries == sorted(checkout.entry(*which).name for which in ((first, "ingest"), (third, "train")))
    assert (checkout.runs / first / "logs" / "train.log").exists()
    assert not (checkout.runs / first / "report.html").exists()
    assert collect(1)["freed_bytes"] == 0


def test_champions_runs_in_progress_and_runs_that_can_be_resumed_stay(checkout: Checkout) -> None:
    champion, failed, abandoned, held, old = (
        checkout.add(), checkout.add(status="FAILED", old=False), checkout.add(status="FAILED"), checkout.add(), checkout.add(),
    )  # fmt: skip
    client = MlflowClient(tracking_uri())
    client.create_registered_model("shapes")
    client.create_model_version("shapes", (checkout.runs / "model").as_uri(), champion)
    client.set_registered_model_alias("shapes", "champion", "1")
    with lock_run(checkout.runs / held):
        done = collect(0)
    assert set(done["kept_runs"]) == {champion, failed, held}
    assert [checkout.steps(run) for run in (champion, failed, held)] == [["ingest", "train"]] * 3
    assert [checkout.steps(run) for run in (abandoned, old)] == [[], []]


def test_a_run_that_another_store_knows_stays(checkout: Checkout) -> None:
    stranger = checkout.add()
    (checkout.runs / stranger).rename(checkout.runs / ("f" * 32))
    assert collect(0)["kept_runs"] == ["f" * 32]
    deleted = checkout.add()
    MlflowClient(tracking_uri()).delete_run(deleted)
    collect(5)
    assert checkout.steps(deleted) == []


def test_unfinished_work_tables_and_drafts_go_when_nobody_wants_them(checkout: Checkout) -> None:
    for name in ("checkpoints/train-old", "checkpoints/train-held", "checkpoints/train-new", "models/abc", "data/b", "previous/t.parquet"):
        path = checkout.runs / name
        path.mkdir(parents=True)
        (path / "lock").touch()
        if not name.endswith("new"):
            checkout.age(path)
    draft = checkout.runs / "models" / ".abc.17.part"
    draft.write_text("half")
    checkout.age(draft)
    with lock_run(checkout.runs / "checkpoints" / "train-held"):
        checkout.age(checkout.runs / "checkpoints" / "train-held")
        done = collect(5)
    assert {kind: number for kind, number in done["number"].items() if number} == {
        "checkpoints": 1, "models": 1, "previous": 1, "data": 1, "drafts": 1,
    }  # fmt: skip
    assert sorted(path.name for path in (checkout.runs / "checkpoints").iterdir()) == ["train-held", "train-new"]
    assert not draft.exists()


def test_vectors_go_when_no_kept_run_has_embedded_one_of_their_images(checkout: Checkout) -> None:
    origins = [Origin(name, "ab" * 32, "features", Recipe(64), "float32", "cpu", 2) for name in ("lite0", "lite1")]
    old, used, kept = checkout.add(), checkout.add(), checkout.add()
    store, made = checkout.runs / "vectors", dict[str, Path]()

    def keep(names: str, origin: Origin) -> None:
        rows = make_batch(list(names), np.eye(2)[[0] * len(names)], np.ones(len(names)), *thumbs(len(names)), [1] * len(names))
        vectors, before = VectorStore(store, origin, ""), set(store.glob("*/*.arrow"))
        vectors.add(rows)
        vectors.flush()
        made[names] = (set(store.glob("*/*.arrow")) - before).pop()

    def keep_scans(names: str, name: str) -> Path:
        rows = make_rows(list(names), [scanned(Image.new("RGB", (3, 2)))] * len(names))
        scans = RowStore(store / name, SCHEMA, names)
        scans.add(rows)
        scans.flush()
        return next(path for path in (store / name).glob("*.arrow") if shard_names(path) == list(names))

    for names, origin in (("ab", origins[0]), ("cd", origins[0]), ("ef", origins[0]), ("gh", origins[1]), ("ij", origins[0])):
        keep(names, origin)
    for run, names, origin in ((old, "ef", origins[0]), (used, "a", origins[0]), (kept, "cgh", origins[0])):
        shards = VectorStore(store, origin, names)
        write(checkout.runs / run / "artifacts" / "pipeline-1" / "embed-component" / "embeddings", origin, shards.rows(names))
    scans = [keep_scans("ax", KEPT_AS), keep_scans("ef", KEPT_AS), keep_scans("ab", "scans-1-pillow-1.0")]
    checkout.age(checkout.runs)
    keep("kl", origins[0])  # by a run in progress
    write_json(checkout.runs / kept / "artifacts" / "used.json", {"ingest": f"{used}ingest"[-12:], "embed": f"{used}embed"[-12:]})
    folder = checkout.runs / used / "artifacts" / "pipeline-1" / "embed-component" / "embeddings"
    write_json(checkout.entry(used, "embed"), {"output": {"uri": str(folder.absolute())}})
    told = collect(1, dry_run=True)
    assert told["number"]["vectors"] == 5
    assert {**collect(1), "dry_run": True} == told
    assert {names for names, path in made.items() if path.exists()} == {"ab", "cd", "kl"}  # what `cgh` has of lite1 is another's
    assert [path.exists() for path in scans] == [True, False, False]


def test_vectors_of_enlarged_pictures_stay_with_their_images_and_drawn_copies_for_a_week(checkout: Checkout) -> None:
    origins = [Origin("lite0", "ab" * 32, layer, Recipe(64), "float32", "cpu", 2) for layer in (LAYER, ENLARGED)]
    store, kept = checkout.runs / "vectors", checkout.add()
    for name in "ab":
        for origin in origins:
            vectors = VectorStore(store, origin, name)
            vectors.add(make_batch([name], np.eye(2)[:1], np.ones(1), *thumbs(1), [1]))
            vectors.flush()
    folder = checkout.runs / kept / "artifacts" / "pipeline-1" / "embed-component" / "embeddings"
    write(folder, origins[0], VectorStore(store, origins[0], "a").rows("a"))
    checkout.age(checkout.runs)
    (store / COPIES).mkdir()
    for name, days in (("p", 8), ("q", 6)):
        path = write_shard(store / COPIES, pa.record_batch({"image_id": [name]}))
        os.utime(path, (time.time() - days * 86_400,) * 2)
    assert collect(1)["number"]["vectors"] == 3
    left = {path.parent.name: shard_names(path) for path in store.glob("*/*.arrow")}
    assert left == {origins[0].key: ["a"], origins[1].key: ["a"], COPIES: ["q"]}


def test_decoded_images_go_when_no_kept_run_learns_from_just_these(checkout: Checkout, tmp_path: Path) -> None:
    runs, folders = {name: checkout.add() for name in ("old", "kept")}, dict[str, Path]()
    store = checkout.runs / "vectors"
    for name, split in (("old", ["train", "test", "validation"]), ("kept", ["train", "train", "validation"])):
        table = toys.table_of(tmp_path / "images", [[0], [1], [2]], split, "multiclass")
        folder = checkout.runs / runs[name] / "artifacts" / "pipeline-1" / "augment-component"
        folder.mkdir(parents=True)
        table.write(folder / "examples")
        found = pixel_store.keep(store, table.learnt_from().column("image_id"), Recipe(8), lambda pixels: None)
        assert found
        folders[name] = found.folder
    folders["other decoder"] = Path(shutil.copytree(folders["kept"], store / "pixels-1-pillow-1.0" / folders["kept"].name))
    found = pixel_store.keep(store, ["a run in progress"], Recipe(8), lambda pixels: None)
    assert found
    folders["new"] = found.folder
    checkout.age(checkout.runs)
    for path in (found.folder, *found.folder.iterdir()):
        os.utime(path)
    assert collect(1, dry_run=True)["number"]["pixels"] == 2
    assert collect(1)["bytes"]["pixels"] >= 5 * 8 * 8 * 3
    assert {name for name, folder in folders.items() if folder.exists()} == {"kept", "new"}
    examples = checkout.runs / runs["kept"] / "artifacts" / "pipeline-1" / "augment-component" / "examples"
    examples.write_bytes(b"damaged")
    checkout.age(checkout.runs)
    assert collect(1)["number"]["pixels"] == 0  # nobody knows what that run learns from


def test_an_entry_that_a_killed_clearing_hid_comes_back(checkout: Checkout) -> None:
    run = checkout.add()
    entry = checkout.entry(run, "train")
    text = entry.read_text()
    entry.rename(entry.with_name(f"{entry.name}.hidden"))
    collect(5)
    assert json.loads(entry.read_text()) == json.loads(text)
