"""An image is forgotten in a project with a run, a model, a DVC remote and pages: whatever is then below the project is searched."""

import base64
import bz2
import gzip
import hashlib
import json
import lzma
import os
import shutil
import sqlite3
import subprocess
import zipfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

from components.embed.config import EmbedConfig
from components.embed.embed import embed
from components.ingest.packed_tables import unpacked
from components.register.config import RegisterConfig
from components.register.register import register
from darkroom import issues, manifest, pixel_store
from darkroom.evaluation import read_mistakes
from darkroom.file_store import COPIES, KEPT_AS, PARTS, SOURCES
from darkroom.images import Images, ImageWriter, image_id
from darkroom.issues import Illustration
from darkroom.manifest import put_column
from darkroom.model import CARD
from darkroom.pixels import decode
from darkroom.preprocessing.recipe import Recipe
from darkroom.registry.fetch import previous_assignment
from darkroom.system.errors import InputError
from darkroom.system.files import read_json, write_json
from darkroom.system.locks import lock_run
from darkroom.thumbnails import thumbnails
from darkroom.tracking.log import log_files, set_run_tags
from darkroom.tracking.runs import finish_run
from darkroom.tracking.tags import PREVIOUS
from darkroom.vector_store import shard_names
from darkroom.versions.data_version import data_version, recorded_version
from pipelines.forget import delivered
from pipelines.forget.data_tables import without_rows
from pipelines.forget.delivered import data_removals
from pipelines.forget.forget import RECORD, ForgetPlan, forget, make_forget_plan
from pipelines.forget.kept_tables import without_images
from pipelines.forget.named import Named, named
from pipelines.forget.removals import Removal
from pipelines.forget.subject import Subject, find_subject
from pipelines.forget.traces import Traces, all_files
from pipelines.params import read_settings
from pipelines.plan import make_plan
from pipelines.run import run
from tests import forks
from tests.darkroom.versions.test_repository import GIT
from tests.finished import make
from tests.pipelines.conftest import ROOT


@dataclass
class Kept:
    """A project, and one image of it."""

    folder: Path
    run_id: str
    image: str
    path: str
    data: bytes

    def plan(self, *words: str) -> ForgetPlan:
        return make_forget_plan(words or (self.image,), Path("data"))


def git(folder: Path, *words: str) -> None:
    subprocess.run(
        ["git", *words], cwd=folder, env={**GIT, "HOME": str(folder), "PATH": os.environ["PATH"]}, check=True, capture_output=True
    )


@pytest.fixture(scope="module")
def template(migrated_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Kept:
    """The project as it was before; tests work in copies of it."""
    folder = tmp_path_factory.mktemp("template") / "project"
    folder.mkdir()
    shutil.copyfile(migrated_store, folder / "mlflow.db")
    shutil.copy(ROOT / "params.yaml", folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder / 'mlflow.db'}")
        return _fill(folder, patch)


def _fill(folder: Path, patch: pytest.MonkeyPatch) -> Kept:
    work = make(folder.parent / "made", noise=1.0, evaluate_pruned=False)
    table, images = manifest.read(work.artifacts.splits), Images(work.images)
    for path, name in zip(table.column("path"), table.column("image_id"), strict=True):
        place = folder / "data" / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(images[name])
    mistake = read_mistakes(work.artifacts.evaluation)[0]
    (folder / "data" / "verdicts.csv").write_text(f"image_id,verdict\n{mistake['image_id']},keep\n{'0' * 64},drop\n")
    git(folder, "init", "-q", "-b", "main")
    forks.dvc("init", "-q", folder=folder)
    forks.dvc("remote", "add", "-q", "-d", "store", str(folder / "remote"), folder=folder)
    for words in (("add", "-q", "data"), ("push", "-q")):
        forks.dvc(*words, folder=folder)
    git(folder, "add", "data.dvc")
    git(folder, "commit", "-q", "-m", "data")
    made = make_plan(Path("data"), [])
    replace(table, data_version=made.version).write(work.artifacts.splits)
    found = {"path": "cat/x.png", "check": "near_duplicate", "action": "tied", "other": mistake["path"], "detail": f"as {mistake['path']}"}
    issues.write(
        work.artifacts.issues, [{**found, "image_id": "1" * 64}, {**found, "path": mistake["path"], "image_id": mistake["image_id"]}]
    )
    notes = [{"step": "clean", "text": f"near_duplicate: 1 found, such as {mistake['path']}", "is_warning": False}]
    for card in (work.artifacts.model / CARD, work.artifacts.pruned_model / CARD):
        known = read_json(card)
        write_json(card, {**known, "provenance": {**known["provenance"], "notes": notes}})
    run_id = run._start(replace(made, name="toys"))
    patch.setenv("MLFLOW_RUN_ID", run_id)
    register(work.artifacts, folder.parent / "outcome", config=RegisterConfig(), name="toys", params=made.params)
    (folder.parent / "page").mkdir()
    (folder.parent / "page" / "report.html").write_text("<img src='data:image/png;base64,thumbnail-of-it'>")
    failure = folder.parent / "page" / "failure" / "logs" / "train.log"  # as a failed run keeps it
    failure.parent.mkdir(parents=True)
    failure.write_text(f"worst: {mistake['path']} ({mistake['image_id']})\n")
    log_files(run_id, folder.parent / "page")
    set_run_tags(run_id, {"darkroom.forgotten": f"version 1 forgot {mistake['path']} too"})
    patch.delenv("MLFLOW_RUN_ID")
    finish_run(run_id, "FINISHED")
    outputs = folder / "runs" / run_id / "artifacts" / "pipeline-1"
    for step, name, source in (
        ("ingest", "images", work.images), ("ingest", "manifest", work.artifacts.splits), ("split", "splits", work.artifacts.splits),
        ("evaluate", "evaluation", work.artifacts.evaluation), ("train", "model", work.artifacts.model),
    ):  # fmt: skip
        target = outputs / f"{step}-component" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(source, target) if source.is_dir() else shutil.copyfile(source, target)
        write_json(folder / "runs" / "cache" / f"{step}{name}.json", {"output": {"uri": str(target)}})
    (outputs / "train-component" / "outcome").write_text(json.dumps({"notes": notes}))
    embed(
        work.images,
        outputs / "embed-component" / "embeddings",
        config=EmbedConfig(backbone="handcrafted"),
        store=folder / "runs" / "vectors",
    )
    shutil.copytree(work.images, folder / "runs" / "vectors" / KEPT_AS / PARTS / "0")
    copies = folder / "runs" / "vectors" / COPIES / PARTS / "0"
    with ImageWriter(copies) as writer:
        writer.add(b"a copy of the image")
    write_json(copies / SOURCES, [mistake["image_id"]])
    for names in (sorted(images), ["0" * 64]):
        pixel_store.keep(folder / "runs" / "vectors", names, Recipe(8), lambda pixels: pixels.fill(7))
    (folder / "runs" / run_id / "report.html").write_text("<img src='data:image/png;base64,thumbnail-of-it'>")
    (folder / "runs" / run_id / "logs").mkdir()
    (folder / "runs" / run_id / "logs" / "train.log").write_text(f"worst: {mistake['path']}, and cat/other{mistake['path']}\n")
    (folder / "diff.html").write_text(f"<figure data-image='{mistake['image_id']}'>")
    (folder / "runs" / "previous").mkdir()
    shutil.copyfile(work.artifacts.splits, folder / "runs" / "previous" / f"{'a' * 64}.parquet")
    return Kept(folder, run_id, mistake["image_id"], mistake["path"], images[mistake["image_id"]])


@pytest.fixture
def kept(template: Kept, monkeypatch: pytest.MonkeyPatch) -> Iterator[Kept]:
    """The project in its place, which is put back afterwards."""
    backup = template.folder.parent / "backup"
    shutil.copytree(template.folder, backup, symlinks=True)
    for engine in SqlAlchemyStore._engine_map.values():
        engine.dispose()  # of connections to the file of the store that the last test has removed
    monkeypatch.chdir(template.folder)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{template.folder / 'mlflow.db'}")
    yield template
    monkeypatch.chdir(template.folder.parent)
    shutil.rmtree(template.folder)
    backup.rename(template.folder)


def holders(kept: Kept) -> list[str]:
    """Every file below the project that holds the image's bytes, its id or its thumbnail, in whatever way."""
    seen = thumbnails(decode(kept.data))
    pictures = (kept.data, base64.b64encode(kept.data), seen.grey.tobytes(), kept.image.encode(), b"thumbnail-of-it")
    found = []
    for path in sorted(path for path in kept.folder.rglob("*") if path.is_file() and ".git" not in path.parts):
        data = path.read_bytes()
        if data[:4] == b"PAR1":
            data += pd.read_parquet(path).to_csv().encode() + str(pq.read_schema(path).metadata).encode()
        elif data[:6] == b"SQLite":
            with closing(sqlite3.connect(path)) as store:
                data += "\n".join(store.iterdump()).encode()
        if any(picture in data for picture in pictures):
            found.append(path.relative_to(kept.folder).as_posix())
    return found


def naming(kept: Kept) -> list[str]:
    """The JSON files below the project that name the image's file."""
    found = [
        path for path in kept.folder.rglob("*") if path.is_file() and ".git" not in path.parts and path.read_bytes()[:1] in (b"{", b"[")
    ]
    return sorted(path.name for path in found if kept.path in path.read_text(encoding="utf-8"))


def test_nothing_below_the_project_holds_a_forgotten_image(kept: Kept) -> None:
    before = holders(kept)
    assert {"outcome", CARD} <= set(naming(kept)) and naming(kept).count(CARD) >= 3  # of the step, the run, and the logged model
    assert {name.split("/")[0] for name in before} == {"data", "runs", "mlartifacts", ".dvc", "remote", "diff.html"}
    plan = kept.plan(kept.image[:12])
    assert holders(kept) == before  # a plan changes nothing
    done = forget(plan, "a patient's right")
    assert holders(kept) == naming(kept) == []
    assert done["left"] == []
    assert not (kept.folder / "data" / kept.path).exists()
    (model,) = done["models"]
    assert (model["model"], model["version"], model["roles"]) == ("toys", 1, ["test"])
    (record,) = [json.loads(line) for line in RECORD.read_text().splitlines()]
    assert (record["format"], record["reason"], record["models"]) == (1, "a patient's right", done["models"])
    assert kept.image not in RECORD.read_text() and kept.path not in RECORD.read_text()


def test_vectors_and_parts_on_a_volume_go_as_well(kept: Kept, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    volume = Path(shutil.copytree(kept.folder / "runs" / "vectors", tmp_path / "volume" / "vectors")).parent
    monkeypatch.setenv("DARKROOM_VOLUME", str(volume))
    assert any(kept.image in shard_names(path) for path in volume.glob("vectors/*/*.arrow"))
    forget(kept.plan())
    assert not any(kept.image in shard_names(path) for path in volume.glob("vectors/*/*.arrow"))
    assert len(pixel_store.kept_folders(volume / "vectors")) == 1
    assert not [path for path in all_files(volume) if kept.data in path.read_bytes()]
    assert not list(volume.glob(f"vectors/{COPIES}/{PARTS}/*"))


def test_what_is_left_is_what_it_says(kept: Kept) -> None:
    forget(kept.plan())
    assert recorded_version(Path("data")) == data_version(Path("data"))  # a new version, which the user commits
    assert (kept.folder / "data" / "verdicts.csv").read_text() == f"image_id,verdict\n{'0' * 64},drop\n"
    assert sorted(path.name for path in kept.folder.glob("runs/cache/*")) == ["trainmodel.json"]
    assert [path.name for path in kept.folder.glob("runs/*/artifacts/*/*")] == ["train-component"]
    names = [set(shard_names(path)) for path in kept.folder.glob("runs/vectors/*/*.arrow")]  # of vectors, and of scans
    assert len(names) == 2 and names[0] == names[1] and names[0] and kept.image not in names[0]
    assert [pixel_store.kept_names(path) for path in pixel_store.kept_folders(kept.folder / "runs" / "vectors")] == [["0" * 64]]
    assert (kept.folder / "runs" / kept.run_id / "logs" / "train.log").read_text().endswith(f", and cat/other{kept.path}\n")
    (failure,) = kept.folder.glob("mlartifacts/**/failure/logs/train.log")
    assert failure.read_text().startswith("worst: ") and kept.path not in failure.read_text()
    assert "Removed" in (kept.folder / "diff.html").read_text()
    (previous,) = kept.folder.glob("runs/previous/*.parquet")
    assert previous.stem != "a" * 64
    rows = manifest.read(previous)
    assert len(rows) == 35 and kept.image not in rows.column("image_id")


def test_the_next_run_continues_the_split_of_the_other_images(kept: Kept) -> None:
    old = previous_assignment("toys", "other data", Path("before"))
    forget(kept.plan())
    new = previous_assignment("toys", "other data", Path("after"))
    assert old and new
    splits = [dict(zip(table.column("image_id"), table.column("split"), strict=True)) for table in map(manifest.read, (old, new))]
    assert splits[1] == {name: split for name, split in splits[0].items() if name != kept.image}


def test_tags_name_an_earlier_assignment_as_it_is_then(kept: Kept) -> None:
    (splits,) = kept.folder.glob("mlartifacts/**/split/splits.parquet")
    previous, old = splits.with_name("previous.parquet"), hashlib.sha256(splits.read_bytes()).hexdigest()
    shutil.copyfile(splits, previous)
    with closing(sqlite3.connect("mlflow.db")) as store:
        store.execute("INSERT OR REPLACE INTO tags (key, value, run_uuid) VALUES (?, ?, ?)", (PREVIOUS, old, kept.run_id))
        store.commit()
    forget(kept.plan())
    with closing(sqlite3.connect("mlflow.db")) as store:
        ((new,),) = store.execute("SELECT value FROM tags WHERE key = ? AND run_uuid = ?", (PREVIOUS, kept.run_id))
    assert new == hashlib.sha256(previous.read_bytes()).hexdigest() != old


def test_a_file_names_its_image_and_twice_is_nothing(kept: Kept) -> None:
    forget(kept.plan(f"data/{kept.path}"))
    with pytest.raises(InputError, match="nothing here is kept"):
        kept.plan()


@pytest.mark.parametrize("share", [pytest.param(0.3, marks=pytest.mark.slow), 0.6, pytest.param(0.9, marks=pytest.mark.slow)])
def test_what_an_interruption_left_goes_with_the_next_try(kept: Kept, share: float) -> None:
    plan = kept.plan()
    for removal in plan.removals[: int(share * len(plan.removals))]:
        removal.do()
    forget(kept.plan())
    assert holders(kept) == []


def test_an_interruption_is_recorded_with_the_models_that_it_was_about(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipelines.forget.forget.kept_in_store.vacuum", lambda: (_ for _ in ()).throw(KeyboardInterrupt))
    plan = kept.plan()
    with pytest.raises(KeyboardInterrupt):
        forget(plan)
    (record,) = [json.loads(line) for line in RECORD.read_text().splitlines()]
    assert [model["model"] for model in record["models"]] == ["toys"] and record["left"] == ["it was interrupted, and is to be repeated"]


def test_a_table_of_an_earlier_version_that_names_the_file_goes_from_the_cache(kept: Kept) -> None:
    (kept.folder / "data" / "labels.csv").write_text(f"path,label\n{kept.path},cat\nx.png,dog\n")
    forks.dvc("add", "-q", "data", folder=kept.folder)
    forget(kept.plan())
    assert not [
        path for path in (kept.folder / ".dvc" / "cache").rglob("*") if path.is_file() and f"{kept.path}," in path.read_text("latin-1")
    ]


@pytest.mark.parametrize("word", ["cat", "123", "f" * 12, "f" * 64])
def test_what_is_no_image_here_is_told(kept: Kept, word: str) -> None:
    with pytest.raises(InputError, match=word[:12]):
        kept.plan(word)


def test_a_run_in_progress_is_waited_for(kept: Kept) -> None:
    with lock_run(kept.folder / "runs" / kept.run_id), pytest.raises(InputError, match=f"run {kept.run_id[:8]} is in progress"):
        kept.plan()


def test_a_file_that_can_not_be_read_is_told_and_never_taken_for_one_without_the_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: object, **options: object) -> None:
        raise PermissionError(13, "Permission denied")

    (tmp_path / "report.html").write_bytes(b"<p>this is somebody's page</p>")
    traces = Traces({"somebody": b""})
    assert traces.in_file(tmp_path / "report.html") and not traces.in_file(tmp_path / "gone.html")
    monkeypatch.setattr("pipelines.forget.traces.mmap.mmap", refuse)
    with pytest.raises(InputError, match=r"report\.html can't be read \(Permission denied\), so it can't be said"):
        traces.in_file(tmp_path / "report.html")
    monkeypatch.setattr("os.scandir", refuse)
    with pytest.raises(InputError, match=r"can't be read \(Permission denied\)"):
        list(all_files(tmp_path))


def test_traces_are_found_in_packed_and_nested_values_and_damage_is_told(tmp_path: Path) -> None:
    traces, name = Traces({"somebody's id": b""}), b"x,somebody's id\n" * 9
    for suffix, opener in (("gz", gzip.open), ("bz2", bz2.open), ("xz", lzma.open)):
        with opener(tmp_path / f"table.{suffix}", "wb") as file:
            file.write(name)
    pq.write_table(pa.table({"image": [{"bytes": b"", "path": "somebody's id"}]}), tmp_path / "table.parquet")
    files = list(all_files(tmp_path))
    assert len(files) == 4 and all(map(traces.in_file, files)) and not traces.damaged
    assert list(all_files(files[0])) == files[:1]
    for path in files:
        path.write_bytes(path.read_bytes()[:20])
    assert not any(map(traces.in_file, files)) and traces.damaged == set(files)


def test_a_remote_that_does_not_answer_is_told(kept: Kept) -> None:
    forks.dvc("remote", "add", "-q", "away", "s3://nowhere/dvc", folder=kept.folder)
    forks.dvc("remote", "modify", "-q", "away", "endpointurl", "http://127.0.0.1:1", folder=kept.folder)
    plan = kept.plan()
    assert any("remote away" in text for text in plan.left)


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("path,label\na/1.png,x\na/11.png,y\n", "path,label\na/11.png,y\n"),
        ('path;note\r\n"a/1.png";"two\nlines"\r\nb.png;c\r\n', "path;note\r\nb.png;c\r\n"),
        ("path,label\n1.png,x\n", "path,label\n"),
        ("path,label\na/11.png,a/1.pngx\n", None),
        ("", None),
    ],
    ids=["whole cells", "lines in quotes", "the name alone", "other names", "empty"],
)
def test_rows_that_name_a_file_leave_a_table_as_it_is_otherwise(tmp_path: Path, text: str, rest: str | None) -> None:
    table = tmp_path / "labels.csv"
    table.write_bytes(text.encode())
    assert without_rows(table, Named({"a/1.png", "1.png"})) == (None if rest is None else rest.encode())


@pytest.mark.parametrize(
    ("value", "rest"),
    [
        ([{"file": "a/1.png", "label": "x"}, {"file": "b.png", "label": "x"}], [{"file": "b.png", "label": "x"}]),
        ([["1.png", "x"], ["b.png", "y"]], [["b.png", "y"]]),
        ({"a/1.png": "x", "b.png": "y"}, {"b.png": "y"}),
        ({"x": ["a/1.png", "c.png"], "y": ["b.png", "d.png"]}, {"x": ["c.png"], "y": ["b.png", "d.png"]}),
        ({"file": ["a/1.png", "b.png"], "label": ["x", "y"]}, {"file": ["b.png"], "label": ["y"]}),
        ({"file": {"0": "b.png", "1": "1.png"}, "label": {"0": "x", "1": "y"}}, {"file": {"0": "b.png"}, "label": {"0": "x"}}),
        ({"images": [{"id": 1, "file": {"path": "1.png"}}], "about": "a/1.png and others"}, {"images": [], "about": "a/1.png and others"}),
        ([{"file": "a/11.png"}], None),
    ],
    ids=["objects", "pairs", "files", "classes", "columns", "columns of pandas", "nested", "other names"],
)
def test_json_that_names_a_file_keeps_its_form(tmp_path: Path, value: object, rest: object) -> None:
    table = tmp_path / "labels.json"
    table.write_text(json.dumps(value, indent=2))
    assert without_rows(table, Named({"a/1.png", "1.png"})) == (None if rest is None else json.dumps(rest, indent=2).encode())


@pytest.mark.parametrize(
    ("encoding", "named"),
    [("utf-8-sig", "auto"), ("utf-16", "auto"), ("utf-16-be", "auto"), ("cp1252", "cp1252"), ("utf-8", "cp1252"), ("utf-16", "UTF16")],
)
def test_a_table_keeps_its_encoding(tmp_path: Path, encoding: str, named: str) -> None:
    table, head, row, other = tmp_path / "labels.csv", "path,label\r\n", "käse/ä.png,Käse\r\n", "b.png,Öl\r\n"
    table.write_bytes((head + row + other).encode(encoding))
    assert without_rows(table, Named({"käse/ä.png"}), named) == (head + other).encode(encoding)
    table.write_bytes(json.dumps([{"file": "käse/ä.png"}, {"file": "b.png", "label": "猫"}]).encode(encoding))
    assert json.loads((without_rows(table, Named({"käse/ä.png"}), named) or b"").decode(encoding)) == [{"file": "b.png", "label": "猫"}]


def test_tables_are_read_in_the_encoding_of_ingest_and_others_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "labels.csv").write_bytes("path,label\nä.png,x\nb.png,y\n".encode("cp1252"))
    (tmp_path / "params.yaml").write_text("ingest: {encoding: auto}\n")
    monkeypatch.chdir(tmp_path)
    subject, left = Subject({"0" * 64: b""}, {"ä.png"}), list[str]()
    assert list(removals(Path("data"), subject, left)) == []
    (text,) = left
    assert text.startswith("data/labels.csv is no text in UTF-8, UTF-16 or ingest.encoding (auto), so its rows were not searched")
    (tmp_path / "params.yaml").write_text("ingest: {encoding: cp1252}\n")
    left.clear()
    (removal,) = removals(Path("data"), subject, left)
    removal.do()
    assert (tmp_path / "data" / "labels.csv").read_bytes() == b"path,label\nb.png,y\n" and left == []


def removals(data: Path, subject: Subject, left: list[str]) -> list[Removal]:
    """What goes of the data, planned as a whole."""
    return list(data_removals(data, subject, named(data, subject, read_settings([])[0]["ingest"]), left))


CHOICE = {"type": "choices", "from_name": "label", "value": {"choices": ["x"]}}
CVAT = '<?xml version="1.0"?>\n<annotations>\n{}</annotations>\n'
IMAGES = [f'  <image id="{n}" name="{name}">\n    <tag label="x"/>\n  </image>\n' for n, name in enumerate(("0009.png", "b.png"))]
TASKS = [
    {"data": {"image": f"/data/upload/1/abcd1234-{name}"}, "annotations": [{"result": [CHOICE]}]} for name in ("0009.png", "b.png")
]  # fmt: skip


@pytest.mark.parametrize(
    ("table", "text", "rest"),
    [
        ("labels.csv", "file|label\n0009.png|x\nb.png|y\n", "file|label\nb.png|y\n"),
        ("labels.csv", "sep=;\nfile;label\n0009.png;x\nb.png;y\n", "sep=;\nfile;label\nb.png;y\n"),
        ("labels.csv", "id,label\n0009,x\nb,9\n", "id,label\nb,9\n"),
        ("labels.csv", "id,label\n9,9\n10,9\n", "id,label\n10,9\n"),
        ("labels.csv", "file,label\nIMAGES/0009.PNG,x\nb.png,y\n", "file,label\nb.png,y\n"),
        ("labels.csv", "file,label\nimages\\0009.png,x\nimages\\b.png,y\n", "file,label\nimages\\b.png,y\n"),
        ("labels.csv", "file,label\ndata/images/0009.png,x\ndata/images/b.png,y\n", "file,label\ndata/images/b.png,y\n"),
        ("labels.csv", "file,label\nC:\\me\\0009.png,x\nC:\\me\\b.png,y\n", "file,label\nC:\\me\\b.png,y\n"),
        ("labels.csv", "file,label\n/home/ann/p/0009.png,x\n/home/ann/p/b.png,y\n", "file,label\n/home/ann/p/b.png,y\n"),
        ("labels.csv", "file,label\nhttps://a.org/0009.png?x=1,x\nhttps://a.org/b.png,y\n", "file,label\nhttps://a.org/b.png,y\n"),
        ("labels.csv", "file,label,part\n0009.png,x,a\nb.png,y,images/0009\n", "file,label,part\nb.png,y,images/0009\n"),
        ("labels.csv.gz", "file,label\n0009.png,x\nb.png,y\n", "file,label\nb.png,y\n"),
        ("labels.csv.zip", "file,label\n0009.png,x\nb.png,y\n", "file,label\nb.png,y\n"),
        ("images/labels.csv", "file,label\n0009.png,x\nb.png,y\n", "file,label\nb.png,y\n"),
        ("annotations.xml", CVAT.format("".join(IMAGES)), CVAT.format(IMAGES[1])),
        ("export.json", json.dumps(TASKS), json.dumps(TASKS[1:])),
    ],
)  # fmt: skip
def test_a_table_loses_the_rows_by_which_ingest_finds_an_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, table: str, text: str, rest: str
) -> None:
    for name in ("0009", "10", "b"):
        (tmp_path / "data" / "images").mkdir(parents=True, exist_ok=True)
        (tmp_path / "data" / "images" / f"{name}.png").write_bytes(name.encode())
    place = tmp_path / "data" / table
    place.write_bytes(packed(place, text.encode()))
    (tmp_path / "params.yaml").write_text("ingest: {}\n")
    monkeypatch.chdir(tmp_path)
    left = list[str]()
    subject = Subject({"0" * 64: b""}, {"images/0009.png"}, [Path("data/images/0009.png")])
    for removal in list(removals(Path("data"), subject, left)):
        removal.do()
    assert left == []
    assert unpacked(place.name, place.read_bytes())[1].decode() == rest


def test_around_an_archive_nothing_is_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "labels.csv").write_text("file,label\na.png,x\nb.png,y\n")
    (tmp_path / "b.png").write_bytes(b"b")
    (tmp_path / "data.zip").write_bytes(b"PK\x05\x06" + bytes(18))
    (tmp_path / "params.yaml").write_text("ingest: {}\n")
    monkeypatch.chdir(tmp_path)
    for place in (Path("data.zip"), Path("gone")):
        names = named(place, Subject({"0" * 64: b""}, {"a.png", "b.png"}), {})
        assert (names.tables, names.gone) == ({}, {"a.png", "b.png"})
        assert removals(Path("data.zip"), Subject({"0" * 64: b""}, {"a.png"}), []) == []


def test_a_path_that_is_another_image_now_keeps_its_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "data").mkdir()
    for name in ("a", "b"):
        (tmp_path / "data" / f"{name}.png").write_bytes(name.encode())
    table = tmp_path / "data" / "labels.csv"
    table.write_text("file,label\na.png,x\nb.png,y\n")
    (tmp_path / "params.yaml").write_text("ingest: {}\n")
    monkeypatch.chdir(tmp_path)
    before = Subject({image_id(b"what a.png was"): b""}, {"a.png"})
    assert list(removals(Path("data"), before, left := [])) == [] == left


def test_a_table_beside_its_images_loses_rows_and_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("7", "8", "9"):
        (tmp_path / f"{name}.png").write_bytes(name.encode())
    table, name = tmp_path / "labels.csv", image_id(b"7")
    table.write_text("id,label\n7,8\n8,7\n9,7\n")
    (tmp_path / "verdicts.csv").write_text(f"image_id,verdict\n{name},keep\n")
    (tmp_path / "params.yaml").write_text("ingest: {}\n")
    monkeypatch.chdir(tmp_path)
    left = list[str]()
    for removal in list(removals(Path("labels.csv"), find_subject([name], Path("labels.csv")), left)):
        removal.do()
    assert table.read_text() == "id,label\n8,7\n9,7\n" and left == []
    assert not (tmp_path / "7.png").exists() and (tmp_path / "verdicts.csv").read_text() == "image_id,verdict\n"


def packed(place: Path, data: bytes) -> bytes:
    if place.suffix == ".zip":
        with zipfile.ZipFile(place, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("labels.csv", data)
        return place.read_bytes()
    return gzip.compress(data) if place.suffix == ".gz" else data


def test_a_table_that_names_an_image_in_a_form_that_is_not_written_anew_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.png").write_bytes(b"a")
    (tmp_path / "data" / "labels.csv").write_text("file,label\na.png,x\nb.png,y\n")
    (tmp_path / "params.yaml").write_text("ingest: {}\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(delivered, "without_rows", lambda *_: None)
    left = list[str]()
    subject = Subject({"0" * 64: b""}, {"a.png"}, [Path("data/a.png")])
    assert [removal.kind for removal in removals(Path("data"), subject, left)] == ["data"]
    assert left == ["data/labels.csv names it in a form that is not written anew: take it out of that file"]


def test_json_lines_and_parquet_lose_the_rows_that_name_or_hold_an_image(tmp_path: Path) -> None:
    (tmp_path / "labels.jsonl").write_text('{"file": "1.png"}\n{"file":  "b.png"}\n')
    assert without_rows(tmp_path / "labels.jsonl", Named({"1.png"})) == b'{"file":  "b.png"}\n'
    rows = [{"image": {"bytes": data, "path": path}, "label": 1} for data, path in ((b"one", None), (b"two", "1.png"), (b"three", "b.png"))]
    table = pa.Table.from_pylist(rows).replace_schema_metadata({"features": "their types"})
    pq.write_table(table, tmp_path / "packed.parquet")
    rest = without_rows(tmp_path / "packed.parquet", Named({"1.png", b"one"}))
    assert rest is not None and pq.read_table(pa.BufferReader(rest)).equals(table.slice(2), check_metadata=True)


def test_a_cluster_is_named_after_another_of_its_images(tmp_path: Path) -> None:
    columns = {"path": list("abcd"), "image_id": ["1", "2", "3", "4"], "label": ["x"] * 4, "cluster": ["1", "1", "1", "4"]}
    manifest.Manifest(manifest.make_table(columns), ("x", "y"), "binary", "v").write(tmp_path / "table")
    rest = without_images((tmp_path / "table").read_bytes(), {"1"})
    assert rest is not None
    (tmp_path / "table").write_bytes(rest)
    table = manifest.read(tmp_path / "table")
    assert (table.column("image_id"), table.column("cluster")) == (["2", "3", "4"], ["2", "2", "4"])
    assert without_images(rest, {"1"}) is None


def test_a_finding_about_another_image_shows_the_forgotten_one_no_more(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [
        {"path": path, "image_id": name, "check": "near_duplicate", "score": 0.9, "other": "b"} for path, name in ("a1", "c3")
    ]
    pictures = {0: Illustration(b"a", other_id="2", other_picture=b"b"), 1: Illustration(b"c", other_id="4", other_picture=b"d")}
    issues.write(tmp_path / "issues", rows, pictures)
    rest = without_images((tmp_path / "issues").read_bytes(), {"2"})
    assert rest is not None
    (tmp_path / "issues").write_bytes(rest)
    found = [(one.picture, one.other_id, one.other_picture) for _, one in issues.illustrated(tmp_path / "issues")]
    assert found == [(b"a", None, None), (b"c", "4", b"d")]
    assert without_images(rest, {"2"}) is None


def test_a_damaged_table_in_the_store_is_told(kept: Kept) -> None:
    (place,) = kept.folder.glob("mlartifacts/**/split/splits.parquet")
    place.write_bytes(place.read_bytes()[:-30])
    assert any("split/splits.parquet" in text for text in kept.plan().left)


@pytest.mark.slow
def test_a_model_whose_network_had_learnt_from_the_image_without_labels_is_told_and_so_is_the_source(kept: Kept) -> None:
    data, version = kept.data + b"of the pool", "c" * 32
    (kept.folder / "pool").mkdir()
    (kept.folder / "pool" / "one.png").write_bytes(data)
    table = manifest.read(kept.folder / "runs" / "previous" / f"{'a' * 64}.parquet")
    (folder,) = kept.folder.glob("runs/*/artifacts/pipeline-1")
    with ImageWriter(folder / "ingest-component-3" / "images") as packed:
        name = packed.add(data)
    row = put_column(put_column(table.table.slice(0, 1), "image_id", [name]), "path", ["one.png"])
    replace(table, table=row, data_version=version).write(folder / "ingest-component-3" / "manifest")
    given = {"pretrain.enabled": "True", "pretrain.data": str(kept.folder / "pool"), "pretrain.data_version": version}
    with closing(sqlite3.connect(kept.folder / "mlflow.db")) as store, store:
        for setting, value in given.items():
            store.execute("UPDATE params SET value = ? WHERE key = ? AND run_uuid = ?", (value, setting, kept.run_id))
    plan = kept.plan(name)
    assert [use.roles for use in plan.uses] == [("pretrain",)]
    place = kept.folder / "pool" / "one.png"
    assert plan.left == [f"{place} is in a source that a run has read, and was left as it is: `--data` with that folder takes it out"]
    assert [removal.place for removal in plan.removals if removal.kind == "steps"] == [
        str((folder / "ingest-component-3").relative_to(kept.folder))
    ]
    assert [use.roles for use in kept.plan().uses] == [("test",)]


def test_verdicts_that_lie_beside_no_data_lose_the_rows_about_it(kept: Kept) -> None:
    params = kept.folder / "params.yaml"
    params.write_text(params.read_text().replace('  verdicts: ""', "  verdicts: people.csv"))
    head, other = "image_id,verdict,label,who,when\n", f"{'1' * 64},keep,,ann,\n"
    finish_run(run._start(make_plan(Path("data"), ["clean.verdicts=earlier.csv"])), "FINISHED")
    summary = kept.folder / "runs" / "register-component" / "summary"  # a page of Kubeflow's, of a step on this machine
    summary.parent.mkdir(parents=True)
    summary.write_text(f"such as {kept.image} and others")
    for name in ("people.csv", "earlier.csv"):
        (kept.folder / name).write_text(f"{head}{kept.image},drop,,ann,\n{other}")
    forget(kept.plan())
    assert [(kept.folder / name).read_text() for name in ("people.csv", "earlier.csv")] == [head + other] * 2
    assert summary.read_text().startswith("such as ") and kept.image not in summary.read_text()
    assert holders(kept) == []


def test_an_archive_and_an_address_that_a_run_has_read_are_told(kept: Kept, tmp_path: Path) -> None:
    shutil.make_archive(str(tmp_path / "delivery"), "zip", kept.folder / "data")
    shutil.make_archive(str(tmp_path / "others"), "zip", kept.folder / "runs" / "previous")
    runs = [
        (str(tmp_path / "delivery.zip"), recorded_version(Path("data"))), (str(tmp_path / "others.zip"), "1" * 32),
        ("s3://bucket/pets", recorded_version(Path("data"))), ("s3://bucket/not-known", "2" * 32),
    ]  # fmt: skip
    for source, version in runs:
        finish_run(run._start(replace(make_plan(Path("data"), []), name="toys", source=Path(source), version=version)), "FINISHED")
    left = kept.plan().left
    assert [text.partition(" was read by a run")[0] for text in left] == [runs[0][0], "s3://bucket/not-known", "s3://bucket/pets"]
    assert "pack it without the image" in left[0]
