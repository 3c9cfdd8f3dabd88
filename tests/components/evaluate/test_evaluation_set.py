"""A user's own evaluation set is read as a data source is, and evaluated with the model's classes."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from components.clean.clean import clean
from components.clean.config import CleanConfig
from components.evaluate.config import EvaluateConfig
from components.evaluate.evaluate import evaluate
from components.ingest.config import IngestConfig
from components.ingest.ingest import ingest
from darkroom.evaluation import read_mistakes, read_predictions
from darkroom.system.errors import InputError
from tests.components.evaluate.conftest import encode
from tests.components.evaluate.test_evaluate import ROWS

pytestmark = pytest.mark.usefixtures("no_figures")
Write = Callable[..., tuple[Path, Path]]
WriteModel = Callable[..., Path]
FROZEN = {"red": ["red", "red", "blue"], "blue": ["blue"]}  # colours by label; lime does not occur


def write_frozen(folder: Path, labels: dict[str, list[str]]) -> Path:
    """Class folders of pictures whose widths are none of those in the splits."""
    number = 100
    for label, colours in labels.items():
        (folder / label).mkdir(parents=True)
        for colour in colours:
            (folder / label / f"{number}.png").write_bytes(encode(colour, number))
            number += 1
    return folder


def config(source: Path) -> EvaluateConfig:
    return EvaluateConfig(data=str(source), num_resamples=100, num_threads=1)


def read(source: Path, **settings: Any) -> dict[str, Path]:
    """What the tasks `ingest_evaluation` and `clean_evaluation` make of a set."""
    place = source.parent / "read"
    images, manifest, cleaned, issues = (place / name for name in ("images", "manifest", "cleaned", "issues"))
    place.mkdir()
    ingest(source, images, manifest, config=IngestConfig(**settings))
    clean(images, manifest, cleaned, issues, config=CleanConfig())
    return {"evaluation_images": images, "evaluation_cleaned": cleaned}


def test_it_takes_the_place_of_the_test_split(write_data: Write, write_model: WriteModel, tmp_path: Path) -> None:
    images, splits = write_data(ROWS)
    source = write_frozen(tmp_path / "frozen", FROZEN)
    values = evaluate(images, splits, write_model(), tmp_path / "evaluation", config=config(source), **read(source))
    assert (values["num_images"], values["accuracy"], values["num_trained_on"]) == (4, 3 / 4, 0)
    answers = read_predictions(tmp_path / "evaluation")
    assert answers.classes == ("red", "lime", "blue")
    assert answers.paths == ("blue/103.png", "red/100.png", "red/101.png", "red/102.png")
    assert answers.y_true.tolist() == [2, 0, 0, 0]
    (worst,) = read_mistakes(tmp_path / "evaluation")
    assert (worst["path"], worst["predicted"]) == ("red/102.png", "blue")


def test_images_of_a_patient_count_as_one(write_data: Write, write_model: WriteModel, tmp_path: Path) -> None:
    images, splits = write_data(ROWS)
    source = write_frozen(tmp_path / "frozen", FROZEN)
    patients = {"red/100.png": "p1", "red/101.png": "p2", "red/102.png": "p1", "blue/103.png": ""}
    rows = [f"{path},{path.partition('/')[0]},{patient}" for path, patient in patients.items()]
    (source / "labels.csv").write_text("\n".join(["path,label,patient", *rows]))
    evaluate(images, splits, write_model(), tmp_path / "evaluation", config=config(source), **read(source))
    answers = read_predictions(tmp_path / "evaluation")
    assert dict(zip(answers.paths, answers.units, strict=True)) == {"blue/103.png": 0, "red/100.png": 1, "red/101.png": 2, "red/102.png": 1}


def test_a_file_that_is_no_image_is_left_out(write_data: Write, write_model: WriteModel, tmp_path: Path) -> None:
    images, splits = write_data(ROWS)
    source = write_frozen(tmp_path / "frozen", FROZEN)
    (source / "red" / "broken.png").write_bytes(encode("red", 1)[:60])
    values = evaluate(images, splits, write_model(), tmp_path / "evaluation", config=config(source), **read(source))
    assert values["num_images"] == 4


def test_images_that_were_trained_on_are_counted_and_told(
    write_data: Write, write_model: WriteModel, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images, splits = write_data(ROWS)
    source = write_frozen(tmp_path / "frozen", FROZEN)
    (source / "red" / "seen.png").write_bytes(encode("lime", 1))  # the row of ROWS that is in train
    values = evaluate(images, splits, write_model(), tmp_path / "evaluation", config=config(source), **read(source))
    assert values["num_trained_on"] == 1
    assert "warning: 1 images of evaluate.data were trained on" in capsys.readouterr().out


def test_several_labels_an_image(write_data: Write, write_model: WriteModel, tmp_path: Path) -> None:
    images, splits = write_data([("red", "red", "train"), ("white", "red|blue", "test")], task="multilabel")
    source = tmp_path / "frozen"
    source.mkdir()
    for number, colour in enumerate(("magenta", "black", "red"), 100):
        (source / f"{number}.png").write_bytes(encode(colour, number))
    (source / "labels.csv").write_text("file,red,blue\n100.png,1,1\n101.png,0,0\n102.png,1,0\n")
    values = evaluate(images, splits, write_model(task="multilabel"), tmp_path / "evaluation", config=config(source), **read(source))
    assert values["num_images"] == 3
    assert values["accuracy"] == 1.0
    assert read_predictions(tmp_path / "evaluation").y_true.tolist() == [[1, 0, 1], [0, 0, 0], [1, 0, 0]]


def test_a_label_that_the_model_does_not_know_is_named(write_data: Write, write_model: WriteModel, tmp_path: Path) -> None:
    images, splits = write_data(ROWS)
    source = write_frozen(tmp_path / "frozen", {**FROZEN, "scarlet": ["red"]})
    with pytest.raises(
        InputError, match=r"evaluate\.data is .*frozen, where images are labelled 'scarlet': the model only knows 'red', 'lime'"
    ):
        evaluate(images, splits, write_model(), tmp_path / "evaluation", config=config(source), **read(source))
    assert not (tmp_path / "evaluation").exists()


def test_labels_one_an_image_are_lists_where_the_task_is_multilabel(write_data: Write, write_model: WriteModel, tmp_path: Path) -> None:
    images, splits = write_data([("red", "red", "train"), ("white", "red|blue", "test")], task="multilabel")
    source = write_frozen(tmp_path / "frozen", FROZEN)
    evaluate(images, splits, write_model(task="multilabel"), tmp_path / "evaluation", config=config(source), **read(source))
    assert read_predictions(tmp_path / "evaluation").y_true.tolist() == [[0, 0, 1], [1, 0, 0], [1, 0, 0], [1, 0, 0]]


def test_several_labels_an_image_do_not_fit_a_task_of_one(write_data: Write, write_model: WriteModel, tmp_path: Path) -> None:
    images, splits = write_data(ROWS)
    source = write_frozen(tmp_path / "frozen", FROZEN)
    with pytest.raises(InputError, match=r"evaluate\.ingest=\{task: multiclass\}"):
        evaluate(images, splits, write_model(), tmp_path / "evaluation", config=config(source), **read(source, task="multilabel"))


def test_a_set_that_is_named_and_did_not_come_is_told(write_data: Write, write_model: WriteModel, tmp_path: Path) -> None:
    images, splits = write_data(ROWS)
    ingest(None, tmp_path / "none", tmp_path / "manifest", config=IngestConfig())
    for cleaned in (None, tmp_path / "manifest"):
        with pytest.raises(InputError, match=r"evaluate\.data is frozen, but its images are missing"):
            evaluate(
                images,
                splits,
                write_model_once(write_model, tmp_path),
                tmp_path / "evaluation",
                config=config(Path("frozen")),
                evaluation_cleaned=cleaned,
            )


def write_model_once(write_model: WriteModel, folder: Path) -> Path:
    return folder / "model" if (folder / "model").exists() else write_model()
