"""What labels are judged by: principal components, against scikit-learn."""

import numpy as np
import pytest
from sklearn.decomposition import PCA

from darkroom.label_errors import features as module


def components(values: np.ndarray) -> np.ndarray:
    made = module._Components.of(lambda rows: values[rows], np.arange(len(values)))
    found = np.zeros((len(values), made.directions.shape[1]), np.float32)
    made.write(found)
    return found


@pytest.mark.parametrize("number", [6, 90], ids=["fewer images than features", "more"])
def test_components_are_the_principal_ones(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "NUM_COMPONENTS", 4)
    values = (np.random.default_rng(0).standard_normal((number, 12)) * np.arange(12, 0, -1)).astype(np.float32)
    found = components(values)
    np.testing.assert_allclose(np.abs(found), np.abs(PCA(4).fit_transform(values)), atol=1e-3)


def test_images_that_are_all_alike_have_no_components() -> None:
    values = np.ones((30, 12), np.float32)
    assert components(values).shape == (30, 0)
