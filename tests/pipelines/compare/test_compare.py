import io
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from darkroom.evaluation import PREDICTIONS, read_headline, read_predictions, write_predictions
from darkroom.tracking.log import log_files, log_measures, set_run_tags
from darkroom.tracking.runs import finish_run, start_run
from pipelines import history
from pipelines.compare.compare import compare
from pipelines.compare.show import show, why_best
from tests.finished import make


def tracked(folder: Path, *, epochs: int, noise: float, version: str, corrected: bool = False, **given: int) -> str:
    """A run that keeps what `register` would have kept; where its labels were corrected, by what the model answers."""
    made = make(folder, noise=noise, data_version=version, evaluate_pruned=False, **given)
    if corrected:
        answers = read_predictions(made.artifacts.evaluation)
        write_predictions(made.artifacts.evaluation / PREDICTIONS, replace(answers, y_true=answers.y_pred))
    run_id = start_run("shapes", f"{epochs} epochs", {"train": {"epochs": epochs, "seed": 0}}, {}, "/data", version)
    tree = folder / "kept"
    (tree / "split").mkdir(parents=True)
    shutil.copyfile(made.artifacts.splits, tree / "split" / "splits.parquet")
    for name, source in (("evaluation", made.artifacts.evaluation), ("evaluation_pruned", made.artifacts.pruned_evaluation)):
        shutil.copytree(source, tree / name)
    log_files(run_id, tree)
    log_measures(run_id, {**read_headline(made.artifacts.evaluation), "latency_ratio": 0.5})
    set_run_tags(run_id, {"variant": "full"})
    finish_run(run_id, "FINISHED")
    return run_id


def test_two_runs_show_what_differed_and_what_it_did(mlflow_store: Path, tmp_path: Path) -> None:
    ids = [
        tracked(tmp_path / "a", epochs=1, noise=1.0, version="a" * 32, per_class=60),
        tracked(tmp_path / "b", epochs=5, noise=0.0, version="b" * 32, per_class=60),
    ]
    set_run_tags(
        ids[0],
        {"darkroom.torch": "1.0", "darkroom.code.train": "older"},
    )
    found = compare(history.find(ids[0]), history.find(ids[1]))
    assert found.settings == {"train.epochs": ("1", "5")}
    assert found.data["version"] == ("a" * 32, "b" * 32)
    assert found.changes == {"added": 0, "removed": 0, "relabelled": 0}
    assert set(found.environment) == {"torch"}
    assert set(found.code) == {"train"}
    accuracy = next(row for row in found.measures if row["measure"] == "accuracy")
    assert accuracy["before"]["low"] <= accuracy["before"]["value"] <= accuracy["before"]["high"]
    assert accuracy["change"]["change"] == pytest.approx(accuracy["after"]["value"] - accuracy["before"]["value"])
    assert accuracy["change"]["verdict"] == "better"
    assert found.shared == 60
    page = io.StringIO()
    show(found, Console(file=page, highlight=False))
    assert "train.epochs" in page.getvalue()
    assert f"[{accuracy['change']['low']:+.4f}, {accuracy['change']['high']:+.4f}]" in page.getvalue()
    assert found.as_json()["settings"] == {"train.epochs": ["1", "5"]}
    limits = f"{accuracy['change']['change']:+.4f} [{accuracy['change']['low']:+.4f}, {accuracy['change']['high']:+.4f}]"
    assert why_best(found, "accuracy") == (
        f"best by accuracy: {ids[1][:8]} (5 epochs), {accuracy['after']['value']:.4f}; against the next, {ids[0][:8]}, {limits} on "
        "60 test images: better; they differ in train.epochs=5 (there 1), the data, the code, the environment"
    )


@pytest.mark.slow
def test_images_that_came_and_went_are_counted(mlflow_store: Path, tmp_path: Path) -> None:
    ids = [
        tracked(tmp_path / "a", epochs=1, noise=0, version="a" * 32, per_class=12),
        tracked(tmp_path / "b", epochs=1, noise=0, version="b" * 32, per_class=12, seed=1),
    ]
    found = compare(history.find(ids[0]), history.find(ids[1]))
    assert found.changes == {"added": 36, "removed": 36, "relabelled": 0}
    assert found.note == "the later run can't be compared image by image: it shares no test image with the earlier run"
    assert not any("change" in row for row in found.measures)
    assert f"against the next, {ids[0][:8]}, as good; they differ in the data" in why_best(found, "latency_ratio")


def test_a_run_without_measures_is_compared_by_what_it_was_given(mlflow_store: Path) -> None:
    ids = [start_run("shapes", "", {"train": {"epochs": epochs}}, {}, "/data", "a" * 32) for epochs in (1, 2)]
    found = compare(*(history.find(run_id) for run_id in ids))
    assert (found.settings, found.data, found.measures) == ({"train.epochs": ("1", "2")}, {}, [])


def test_labels_of_the_run_that_started_later_count_for_both(mlflow_store: Path, tmp_path: Path) -> None:
    earlier = tracked(tmp_path / "a", epochs=1, noise=1.0, version="a" * 32)
    later = tracked(tmp_path / "b", epochs=1, noise=1.0, version="b" * 32, corrected=True)  # the same answers, right by its labels
    for pair in ((earlier, later), (later, earlier)):
        found = compare(*map(history.find, pair))
        accuracy = next(row for row in found.measures if row["measure"] == "accuracy")
        assert accuracy["change"]["change"] == 0.0  # by its own labels, the earlier one would be worse
