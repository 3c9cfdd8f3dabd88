from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from darkroom.system.errors import InputError
from darkroom.versions.data_version import data_version, recorded_version
from pipelines.version.sample import write_sample

ROOT = Path(__file__).parents[3]


def test_the_sample_is_the_version_that_git_records(tmp_path: Path) -> None:
    assert write_sample(tmp_path / "data") == 1797
    assert data_version(tmp_path / "data") == recorded_version(ROOT / "data")


def test_the_sample_is_scikit_learns_digits(tmp_path: Path) -> None:
    write_sample(tmp_path / "data")
    digits = load_digits()
    assert sorted(path.name for path in (tmp_path / "data").iterdir()) == list("0123456789")
    with Image.open(tmp_path / "data" / str(digits.target[42]) / "digit-0042.png") as picture:
        assert (picture.mode, picture.size) == ("L", (8, 8))
        assert np.array_equal(np.asarray(picture), digits.images[42] * 255 // 16)


def test_a_folder_with_something_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.jpg").write_text("mine")
    with pytest.raises(InputError, match="is not empty"):
        write_sample(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.jpg"]
