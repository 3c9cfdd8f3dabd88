"""What leaks are worth: the measures without the images that leak, their pictures, and what is said of them."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from components.evaluate.config import EvaluateConfig
from components.evaluate.evaluate import evaluate
from darkroom import manifest
from darkroom.evaluation import LEAKS, read_headline, read_leak_pairs, read_notes
from darkroom.leaks import Leak, leaks_of, write_untested

ROWS = [
    ("red", "red", "test"),
    ("lime", "lime", "test"),
    ("#ff8000", "lime", "test"),  # wrong
    ("blue", "blue", "test"),
    ("red", "red", "train"),
    ("lime", "lime", "train"),
]
pytestmark = pytest.mark.usefixtures("no_figures")


def write_leaks(splits: Path, path: Path, *tested: int, sample: tuple[int, ...] = ()) -> Path:
    """Some of the test images, each with the image of row 4 that it is a copy of; of all of them or of a sample."""
    names, paths = (manifest.read(splits).column(name) for name in ("image_id", "path"))
    found = [Leak(names[row], paths[row], names[4], paths[4], "near_duplicate", 0.9) for row in tested]
    rows = np.array(sample or range(4))
    leaks_of(found, np.isin(rows, tested), rows, 0.001, {}, [names[row] for row in sample]).write(path)
    return path


@pytest.mark.parametrize(("tested", "accuracy", "without"), [((0, 1), 0.75, 0.5), ((2,), 0.75, 1.0), ((0, 1, 2, 3), 0.75, None)])
def test_measures_without_leaks(
    write_data: Callable[..., tuple[Path, Path]],
    write_model: Callable[..., Path],
    tmp_path: Path,
    tested: tuple[int, ...],
    accuracy: float,
    without: float | None,
) -> None:
    images, splits = write_data(ROWS)
    leaks = write_leaks(splits, tmp_path / "leaks", *tested)
    config = EvaluateConfig(num_resamples=100, num_threads=1, num_leaks=2)
    evaluate(images, splits, write_model(), tmp_path / "evaluation", config=config, leaks=leaks)
    figures, pairs = read_leak_pairs(tmp_path / "evaluation")
    assert read_headline(tmp_path / "evaluation")["accuracy"] == accuracy
    assert figures["without"].get("accuracy") == without
    assert (figures["share"], figures["num_images"]) == (len(tested) / 4, 4)
    assert [pair["path"] for pair in pairs] == [f"{row}.png" for row in tested[:2]]
    for pair in pairs:
        with (
            Image.open(tmp_path / "evaluation" / LEAKS / pair["file"]) as own,
            Image.open(tmp_path / "evaluation" / LEAKS / pair["other_file"]) as other,
        ):
            assert (own.width, other.width) == (20 + int(pair["path"][0]), 24)
    (note,) = read_notes(tmp_path / "evaluation")
    assert note.is_warning and f"{len(tested) / 4:.1%} of the 4 tested images" in note.text


def test_images_that_were_not_tested_say_nothing(
    write_data: Callable[..., tuple[Path, Path]], write_model: Callable[..., Path], tmp_path: Path
) -> None:
    images, splits = write_data(ROWS)
    write_untested(tmp_path / "leaks")
    evaluate(images, splits, write_model(), tmp_path / "evaluation", config=EvaluateConfig(num_threads=1), leaks=tmp_path / "leaks")
    assert read_leak_pairs(tmp_path / "evaluation") == ({}, [])
    assert read_notes(tmp_path / "evaluation") == ()


def test_of_a_sample_the_measures_with_its_leaks_are_the_samples(
    write_data: Callable[..., tuple[Path, Path]], write_model: Callable[..., Path], tmp_path: Path
) -> None:
    images, splits = write_data(ROWS)
    leaks = write_leaks(splits, tmp_path / "leaks", 0, sample=(0, 2))
    evaluate(images, splits, write_model(), tmp_path / "evaluation", config=EvaluateConfig(num_resamples=100, num_threads=1), leaks=leaks)
    figures, _ = read_leak_pairs(tmp_path / "evaluation")
    assert read_headline(tmp_path / "evaluation")["accuracy"] == 0.75
    assert (figures["with"]["accuracy"], figures["without"]["accuracy"]) == (0.5, 0.0)
    (note,) = read_notes(tmp_path / "evaluation")
    assert "50.0% of the 2 sampled images" in note.text and "accuracy is 0.5000 with and 0.0000 without them" in note.text
