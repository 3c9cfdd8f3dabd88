import contextlib
import dataclasses
import importlib
import io
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from kfp import dsl
from PIL import Image

from components import STEPS
from components.__main__ import main
from components.embed.component import embed_component
from components.ingest.component import ingest_component
from components.split.component import split_component
from darkroom import manifest as manifests
from darkroom.embeddings import Origin, write
from darkroom.images import ImageWriter, image_id
from darkroom.preprocessing.recipe import Recipe
from darkroom.registry.fetch import fetch_error
from darkroom.runtime.outputs import outputs_of
from darkroom.runtime.step import call
from darkroom.system.errors import InputError
from darkroom.system.processes import owner_tags
from darkroom.tracking.tags import CHECKPOINTS, CODE_VERSION, KUBEFLOW_RUN, OWNER, VECTORS
from darkroom.verdicts import Verdict, append, now
from darkroom.versions.code import code_version
from tests import forks

ROOT = Path(__file__).parents[3]


@pytest.fixture
def cleaned(tmp_path: Path) -> Path:
    rows = range(40)
    columns = {
        "path": [f"{number:02d}.png" for number in rows],
        "image_id": [f"{number:064x}" for number in rows],
        "label": ["cat" if number % 2 else "dog" for number in rows],
        "cluster": [str(number) for number in rows],
    }
    path = tmp_path / "inputs" / "cleaned"
    manifests.Manifest(manifests.make_table(columns), ("cat", "dog"), "binary", "v1").write(path)
    return path


def perform_split(folder: Path, cleaned: Path, config: dict[str, object]) -> dsl.Metrics:
    metrics = dsl.Metrics(name="metrics", uri=str(folder / "metrics"))
    table = manifests.read(cleaned)
    dataclasses.replace(table, table=table.table.slice(0, 0)).write(folder / "evaluation_cleaned")  # there is no such set
    looks = {name: dsl.Dataset(name=name, uri="") for name in ("images", "embeddings", "evaluation_images", "evaluation_embeddings")}
    split_component.python_func(
        **looks,
        cleaned=dsl.Dataset(name="cleaned", uri=str(cleaned)),
        evaluation_cleaned=dsl.Dataset(name="evaluation_cleaned", uri=str(folder / "evaluation_cleaned")),
        splits=dsl.Dataset(name="splits", uri=str(folder / "splits")),
        leaks=dsl.Dataset(name="leaks", uri=str(folder / "leaks")),
        metrics=metrics,
        config=config,
        code_version="1",
    )
    return metrics


def test_a_component_writes_what_its_function_writes_and_measures(tmp_path: Path, cleaned: Path) -> None:
    metrics = perform_split(tmp_path / "task", cleaned, {"seed": 3.0})  # Kubeflow turns integers into floats
    written = json.loads((tmp_path / "task" / "metrics").read_text())
    assert metrics.metadata == written
    assert sum(written[f"num_{name}"] for name in ("train", "validation", "test")) == 40
    directly = call(
        "split", {"seed": 3}, {"cleaned": cleaned, "splits": tmp_path / "directly", "previous": ""}, lambda epoch, measures: None
    )
    assert directly == written
    assert (tmp_path / "directly").read_bytes() == (tmp_path / "task" / "splits").read_bytes()


def test_a_mistake_is_left_beside_the_outputs(tmp_path: Path, cleaned: Path) -> None:
    with pytest.raises(InputError, match=r"split\.test_fraction is 2"):
        perform_split(tmp_path / "task", cleaned, {"test_fraction": 2})
    reason = json.loads((tmp_path / "task" / "error.json").read_text())
    assert (reason["kind"], reason["type"]) == ("input", "InputError")
    assert not (tmp_path / "task" / "splits").exists()


def test_a_mistake_in_data_beside_the_runs_own_names_where_their_settings_stand(tmp_path: Path) -> None:
    made = {name: dsl.Dataset(name=name, uri=str(tmp_path / name)) for name in ("images", "manifest")}
    metrics = dsl.Metrics(name="metrics", uri=str(tmp_path / "metrics"))
    (tmp_path / "photos").mkdir()
    given = {"data": str(tmp_path / "photos"), "data_version": "v", "config": {"label_column": "kind"}, "code_version": "1"}
    for task, words in (("ingest", r"ingest\.label_column"), ("ingest_evaluation", r"ingest\.label_column.*stand in evaluate\.ingest")):
        with pytest.raises(InputError, match=words) as error:
            ingest_component.python_func(**made, metrics=metrics, task=task, **given)
        assert ("evaluate.ingest" in str(error.value)) == (task == "ingest_evaluation")


def test_a_part_that_fails_is_told_by_its_number(tmp_path: Path, mlflow_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KUBEFLOW_RUN, "run-1")
    monkeypatch.setenv(VECTORS, "")
    made = {name: dsl.Dataset(name=name, uri=str(tmp_path / name)) for name in ("images", "embeddings")}
    metrics = dsl.Metrics(name="metrics", uri=str(tmp_path / "metrics"))
    with pytest.raises(InputError, match="part 2/4 of the images is done for a store"):
        embed_component.python_func(**made, metrics=metrics, config={}, code_version="1", part="2/4")
    error = fetch_error("run-1")
    assert error is not None
    assert (error.step, error.kind) == ("embed_part_2_of_4", "input")


def test_the_same_step_by_hand(tmp_path: Path, cleaned: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["split", "--cleaned", str(cleaned), "--splits", str(tmp_path / "splits"), "--params", str(ROOT / "params.yaml")]
    assert main([*words, "--metrics", str(tmp_path / "metrics.json")]) == 0
    perform_split(tmp_path / "task", cleaned, {})
    assert (tmp_path / "splits").read_bytes() == (tmp_path / "task" / "splits").read_bytes()
    assert json.loads((tmp_path / "metrics.json").read_text()) == json.loads((tmp_path / "task" / "metrics").read_text())
    assert main([*words, "--set", "split.test_fraction=2"]) == 2
    assert "split.test_fraction is 2" in capsys.readouterr().err


def test_by_hand_the_verdicts_that_settings_name_count_in_ingest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for number, name in enumerate(("a/0.png", "b/1.png", "new.png")):
        (tmp_path / "data" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (9, 9), 40 * number).save(tmp_path / "data" / name)
    append(tmp_path / "judged.csv", Verdict(image_id((tmp_path / "data" / "new.png").read_bytes()), "relabel", "b", "anna", now()))
    words = ["ingest", "--data", "data", "--images", "images", "--params", str(ROOT / "params.yaml"), "--set", "clean.verdicts=judged.csv"]
    for task, labels in (("ingest", ["a", "b", "b"]), ("ingest_evaluation", ["a", "b", "b"]), ("ingest_unlabelled", [None] * 3)):
        shutil.rmtree("images", ignore_errors=True)
        assert main([*words, "--manifest", task, "--task", task, "--set", "pretrain.enabled=true"]) == 0
        assert manifests.read(tmp_path / task).column("label") == labels


def test_by_hand_a_place_that_can_not_be_written_is_one_sentence(cleaned: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["split", "--cleaned", str(cleaned), "--splits", "/proc/splits", "--params", str(ROOT / "params.yaml")]) == 2
    (sentence,) = capsys.readouterr().err.splitlines()
    assert sentence.startswith("error: ") and "/proc/" in sentence


@pytest.mark.parametrize(
    ("splits", "metrics", "named"),
    [
        ("inputs/cleaned", "m.json", ("--cleaned", "--splits")),
        ("inputs", "m.json", ("--cleaned", "--splits")),
        ("new", "inputs/../new", ("--splits", "--metrics")),
        ("new", "inputs", ("--cleaned", "--metrics")),
        ("new/splits", "new", ("--splits", "--metrics")),
    ],
)
def test_by_hand_no_output_replaces_another_path(
    tmp_path: Path, cleaned: Path, splits: str, metrics: str, named: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    before = cleaned.read_bytes()
    words = ["--splits", str(tmp_path / splits), "--metrics", str(tmp_path / metrics), "--params", str(ROOT / "params.yaml")]
    assert main(["split", "--cleaned", str(cleaned), *words]) == 2
    (sentence,) = capsys.readouterr().err.splitlines()
    assert [word for word in named if word not in sentence] == []
    assert (cleaned.read_bytes(), sorted(path.name for path in tmp_path.iterdir())) == (before, ["inputs"])


@pytest.mark.parametrize("step", STEPS)
def test_what_a_step_writes_is_known_without_importing_its_face(step: str) -> None:
    made = importlib.import_module(f"components.{step}.component")
    spec = getattr(made, f"{step}_component").component_spec
    assert set(outputs_of(step)) == {name for name, output in spec.outputs.items() if output.type.startswith("system.")}


@pytest.mark.parametrize(("words", "status"), [([], 0), (["--help"], 0), (["bake"], 2)])
def test_by_hand_the_steps_are_listed(words: list[str], status: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == status
    assert ", ".join(STEPS) in capsys.readouterr().err


FOLLOWS = """
import time
from darkroom.runtime import step
step._OWNER_POLL_S = 0.05
step.follow_owner()
print("follows", flush=True)
time.sleep({seconds})
"""


def following(owner: str, seconds: float) -> "subprocess.Popen[str]":
    """A process that follows its owner, has begun to, and has so many seconds to do."""
    command = [sys.executable, "-c", FOLLOWS.format(seconds=seconds)]
    step = subprocess.Popen(command, env={**os.environ, OWNER: owner}, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert step.stdout is not None and step.stdout.readline() == "follows\n"
    return step


def test_a_step_ends_when_the_run_that_started_it_is_gone() -> None:
    with forks.doomed(lambda: json.dumps(owner_tags())) as owner:
        step = following(owner, 60)
        time.sleep(0.3)
        assert step.poll() is None
    step.communicate(timeout=20)
    assert step.returncode == 1


def test_a_step_that_belongs_to_a_living_run_goes_on() -> None:
    step = following(json.dumps(owner_tags()), 0.3)
    step.communicate(timeout=20)
    assert step.returncode == 0


def test_a_pipeline_compiled_from_other_code_than_runs_is_refused(tmp_path: Path, cleaned: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CODE_VERSION, code_version("split"))
    perform_split(tmp_path / "same", cleaned, {})
    monkeypatch.setenv(CODE_VERSION, "0123456789abcdef")
    with pytest.raises(InputError, match=r"compiled from other code of split \(0123456789abcdef\) than the image holds"):
        perform_split(tmp_path / "other", cleaned, {})
    assert json.loads((tmp_path / "other" / "error.json").read_text())["kind"] == "input"


def test_checkpoints_are_named_by_content_and_removed_after_success(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from darkroom.runtime import step

    monkeypatch.setenv(CHECKPOINTS, str(tmp_path))
    first, second = tmp_path / "a.json", tmp_path / "b.json"
    first.write_text("1")
    second.write_text("1")
    key = step._content_key("train", {"seed": 1}, {"policy": first})
    assert key == step._content_key("train", {"seed": 1}, {"policy": second})
    assert key != step._content_key("train", {"seed": 2}, {"policy": first})
    second.write_text("2")
    assert key != step._content_key("train", {"seed": 1}, {"policy": second})


def test_waiting_for_another_process_that_does_the_same_counts_for_no_limit_of_the_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from darkroom.runtime import step

    @contextlib.contextmanager
    def waiting(root: str, name: str) -> Iterator[tuple[Path, Callable[[], None]]]:
        time.sleep(0.2)
        yield tmp_path, lambda: None

    def work(*, config: object, started: float, checkpoints: Path, on_epoch: object) -> dict[str, float]:
        return {"used_s": time.monotonic() - started, "since_the_process_began_s": time.monotonic() - step.started_at()}

    monkeypatch.setenv(CHECKPOINTS, str(tmp_path))
    monkeypatch.setattr(step.checkpoints, "checkpoint_folder", waiting)
    monkeypatch.setattr(step, "function_of", lambda name: work)
    used = step.call("train", {}, {}, lambda epoch, row: None)
    assert 0.2 <= used["since_the_process_began_s"] - used["used_s"] < 5  # what the machine does meanwhile comes on top


def test_what_the_store_holds_does_not_change_the_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from darkroom.runtime import step

    asked = list[str]()

    @contextlib.contextmanager
    def named(root: str, name: str) -> Iterator[tuple[Path, Callable[[], None]]]:
        asked.append(name)
        yield tmp_path, lambda: None

    def work(*, config: object, store: Path, checkpoints: Path, on_epoch: object) -> dict[str, float]:
        (store / f"{len(asked)}.bin").write_text("new")
        return {"in_store": float(len(list(store.iterdir())))}

    monkeypatch.setenv(CHECKPOINTS, str(tmp_path))
    monkeypatch.setenv(VECTORS, str(tmp_path / "store"))
    (tmp_path / "store").mkdir()
    monkeypatch.setattr(step.checkpoints, "checkpoint_folder", named)
    monkeypatch.setattr(step, "function_of", lambda name: work)
    assert [step.call("train", {}, {}, lambda epoch, row: None) for _ in range(2)] == [{"in_store": 1}, {"in_store": 2}]
    assert asked[0] == asked[1]


def test_a_checkpoint_of_other_embeddings_is_another(tmp_path: Path) -> None:
    from darkroom.runtime import step

    keys = set()
    for weights in ("a" * 64, "b" * 64, "a" * 64):
        origin = Origin("lite0", weights, "features", Recipe(224), "float32", "cpu", 2)
        write(tmp_path / weights, origin, [])
        keys.add(step._content_key("train", {}, {"embeddings": tmp_path / weights}))
    assert len(keys) == 2


def test_vectors_are_kept_where_the_environment_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(file, "PNG")
    with ImageWriter(tmp_path / "images") as writer:
        writer.add(file.getvalue())
    given = {"images": str(tmp_path / "images"), "embeddings": str(tmp_path / "embeddings")}
    computed = []
    for place in ("", "store", "store"):
        monkeypatch.setenv(VECTORS, str(tmp_path / place) if place else "")
        computed.append(call("embed", {}, given, lambda epoch, measures: None)["num_computed"])
    assert computed == [1, 1, 0]
    kept = [path.parent.name for path in (tmp_path / "store").glob("*/*.arrow")]
    assert len(kept) == 2 and sum(name.startswith("scans-") for name in kept) == 1
