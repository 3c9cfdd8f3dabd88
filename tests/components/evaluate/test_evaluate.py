"""Known pictures and a known model make known results; the folder is whole, and the same every time."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from components.evaluate.config import EvaluateConfig
from components.evaluate.evaluate import evaluate
from darkroom.evaluation import confusion, read_headline, read_metrics, read_mistakes, read_predictions, roc_curve
from darkroom.system.errors import InputError

CONFIG = EvaluateConfig(batch_size=2, num_resamples=100, num_threads=1)
ROWS = [
    ("red", "red", "test"),
    ("lime", "red", "train"),
    ("lime", "lime", "test"),
    ("#ff8000", "lime", "test"),  # more red than green: wrong, and not quite sure
    ("blue", "red", "test"),  # wrong, and sure
    ("blue", "blue", "test"),
    ("black", "blue", "excluded"),
]
no_figures = pytest.mark.usefixtures("no_figures")
Write = Callable[..., tuple[Path, Path]]
WriteModel = Callable[..., Path]


@no_figures
def test_only_test_images_are_evaluated_and_by_the_closed_form(write_data: Write, write_model: WriteModel, tmp_path: Path) -> None:
    images, splits = write_data(ROWS)
    values = evaluate(images, splits, write_model(), tmp_path / "evaluation", config=CONFIG)
    assert values["num_images"] == 5
    assert values["accuracy"] == pytest.approx(3 / 5)
    assert values["f1_macro"] == pytest.approx((1 / 2 + 2 / 3 + 2 / 3) / 3)
    sure, orange = 1 / (1 + 2 * np.exp(-8)), 1 / (1 + np.exp(-8 * (1 - 128 / 255)) + np.exp(-8))
    assert values["expected_calibration_error"] == pytest.approx(abs((4 * sure + orange) / 5 - 3 / 5), abs=1e-5)
    costs = {name: values.pop(name) for name in ("size_mb", "memory_mb", "macs", "latency_ms")}
    assert costs["size_mb"] > 0 and costs["latency_ms"] > 0 and costs["memory_mb"] >= 0 and costs["macs"] == 9
    assert read_headline(tmp_path / "evaluation") == values
    assert all(np.isfinite(value) for value in values.values())


@no_figures
def test_predictions_keep_the_rows_of_the_manifest(write_data: Write, write_model: WriteModel, tmp_path: Path) -> None:
    images, splits = write_data(ROWS)
    evaluate(images, splits, write_model(), tmp_path / "evaluation", config=CONFIG)
    predictions = read_predictions(tmp_path / "evaluation")
    assert predictions.paths == ("0.png", "2.png", "3.png", "4.png", "5.png")
    assert predictions.y_true.tolist() == [0, 1, 1, 0, 2]
    assert predictions.y_pred.tolist() == [0, 1, 0, 2, 2]
    assert predictions.y_score[0] == pytest.approx(np.exp([8, 0, 0]) / np.exp([8, 0, 0]).sum(), abs=1e-6)
    assert confusion(tmp_path / "evaluation") == (["red", "lime", "blue"], [[1, 0, 1], [1, 1, 0], [0, 0, 1]])


@no_figures
def test_the_surest_mistake_comes_first_with_its_picture(write_data: Write, write_model: WriteModel, tmp_path: Path) -> None:
    images, splits = write_data(ROWS)
    evaluate(images, splits, write_model(), tmp_path / "evaluation", config=CONFIG)
    worst = read_mistakes(tmp_path / "evaluation")
    assert [(row["path"], row["truth"], row["predicted"]) for row in worst] == [
        ("4.png", "red", "blue"),
        ("3.png", "lime", "red"),
    ]
    assert worst[0]["probability"] > worst[1]["probability"] > 0.5
    assert all((tmp_path / "evaluation" / "mistakes" / row["file"]).is_file() for row in worst)


@no_figures
def test_no_more_mistakes_are_kept_than_asked(write_data: Write, write_model: WriteModel, tmp_path: Path) -> None:
    images, splits = write_data(ROWS)
    evaluate(images, splits, write_model(), tmp_path / "evaluation", config=CONFIG.model_copy(update={"num_mistakes": 1}))
    assert len(read_mistakes(tmp_path / "evaluation")) == 1


def test_the_same_inputs_make_the_same_bytes(write_data: Write, write_model: WriteModel, tmp_path: Path) -> None:
    images, splits = write_data(ROWS)
    model = write_model()
    for name in ("one", "two"):
        evaluate(images, splits, model, tmp_path / name, config=CONFIG)
    files = sorted(path.relative_to(tmp_path / "one") for path in (tmp_path / "one").rglob("*") if path.is_file())
    assert {"metrics.json", "predictions.parquet"} <= {str(path) for path in files}
    assert [(tmp_path / "one" / path).read_bytes() for path in files] == [(tmp_path / "two" / path).read_bytes() for path in files]


@no_figures
def test_binary_takes_the_second_class_as_the_positive_one(write_data: Write, write_model: WriteModel, tmp_path: Path) -> None:
    rows = [("red", "red", "test"), ("lime", "lime", "test"), ("lime", "red", "test"), ("#ff8000", "lime", "test")]
    images, splits = write_data(rows, ("red", "lime"), "binary")
    values = evaluate(images, splits, write_model(("red", "lime"), "binary"), tmp_path / "evaluation", config=CONFIG)
    names = ("true_positives", "false_positives", "false_negatives", "true_negatives")
    assert [values[name] for name in names] == [1, 1, 1, 1]
    assert values["recall"] == values["precision"] == 0.5
    false, true, thresholds = roc_curve(tmp_path / "evaluation")
    assert (false[0], true[0], false[-1], true[-1]) == (0, 0, 1, 1)
    assert np.isfinite(thresholds).all()


def test_multilabel_evaluates_each_label(write_data: Write, write_model: WriteModel, tmp_path: Path) -> None:
    rows = [
        ("red", "red", "test"),
        ("yellow", "red|lime", "test"),
        ("white", "red|lime|blue", "test"),
        ("black", "lime", "test"),
    ]
    images, splits = write_data(rows, task="multilabel")
    values = evaluate(images, splits, write_model(task="multilabel"), tmp_path / "evaluation", config=CONFIG)
    assert values["hamming_loss"] == pytest.approx(1 / 12)
    assert values["subset_accuracy"] == 0.75
    assert values["accuracy"] == pytest.approx(11 / 12)
    classes = read_metrics(tmp_path / "evaluation")["classes"]
    assert classes["red"]["f1"] == 1.0
    assert classes["lime"]["recall"] == pytest.approx(2 / 3)
    assert read_mistakes(tmp_path / "evaluation")[0]["truth"] == ["lime"]
    assert read_mistakes(tmp_path / "evaluation")[0]["predicted"] == []
    assert confusion(tmp_path / "evaluation") == (["absent", "present"], [[5, 0], [1, 6]])
    figures = {path.name for path in (tmp_path / "evaluation" / "figures").iterdir()}
    assert figures == {"label_confusions.png", "classes.png", "curves.png", "calibration.png"}


@no_figures
@pytest.mark.parametrize("task", ["multiclass", "multilabel"])
def test_every_task_writes_the_same_tables_for_dvc(task: str, write_data: Write, write_model: WriteModel, tmp_path: Path) -> None:
    images, splits = write_data(ROWS, task=task)
    evaluate(images, splits, write_model(task=task), tmp_path / "evaluation", config=CONFIG)
    plots = tmp_path / "evaluation" / "plots"
    heads = {path.name: path.read_text().splitlines()[0] for path in plots.iterdir()}
    assert heads == {
        "confusion.csv": "actual,predicted",
        "roc.csv": "fpr,tpr,threshold",
        "precision_recall.csv": "recall,precision",
        "classes.csv": "class,f1,precision,recall,support",
    }
    number = 5 if task == "multiclass" else 15
    assert len((plots / "confusion.csv").read_text().splitlines()) == number + 1


def test_a_test_split_of_one_class_is_evaluated_without_curves(write_data: Write, write_model: WriteModel, tmp_path: Path) -> None:
    images, splits = write_data([("red", "red", "test"), ("lime", "lime", "train")], ("red", "lime"), "binary")
    values = evaluate(images, splits, write_model(("red", "lime"), "binary"), tmp_path / "evaluation", config=CONFIG)
    assert values["accuracy"] == 1.0
    assert "roc_auc" not in values
    assert roc_curve(tmp_path / "evaluation") == ([], [], [])


def test_an_empty_test_split_is_the_users_to_mend(write_data: Write, write_model: WriteModel, tmp_path: Path) -> None:
    images, splits = write_data([("red", "red", "train")])
    with pytest.raises(InputError, match=r"no image is in the test split.*split\.test_fraction"):
        evaluate(images, splits, write_model(), tmp_path / "evaluation", config=CONFIG)
    assert not (tmp_path / "evaluation").exists()


def test_a_model_of_other_classes_is_refused_by_name(write_data: Write, write_model: WriteModel, tmp_path: Path) -> None:
    images, splits = write_data(ROWS)
    with pytest.raises(InputError, match="the model predicts multiclass with lime, red, blue, but the images are labelled"):
        evaluate(images, splits, write_model(("lime", "red", "blue")), tmp_path / "evaluation", config=CONFIG)


def test_threads_are_counted_only_where_none_are_given() -> None:
    assert EvaluateConfig(num_threads=3).threads() == 3
    assert EvaluateConfig().threads() >= 1


def test_evaluate_runs_without_torch_and_without_the_platforms(loaded_modules: dict[str, set[str]]) -> None:
    assert "components.evaluate.evaluate" in loaded_modules["evaluate"]
    assert not loaded_modules["evaluate"] & {"torch", "kfp", "mlflow", "dvc"}
