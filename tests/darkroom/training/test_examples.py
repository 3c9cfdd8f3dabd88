"""Labelled images: what they hold, wherever their pixels are."""

import numpy as np
import pytest
import torch

from darkroom.images import Images
from darkroom.pixels import pixels
from darkroom.preprocessing.recipe import Recipe
from darkroom.training import examples as module
from darkroom.training.examples import Examples, channel_statistics, load
from tests.components.train import toys


def test_examples_are_the_decoded_images_in_the_tables_order(tmp_path):
    table = toys.table_of(tmp_path / "images", [[2], [0], [1]], ["train"] * 3, "multiclass")
    source = Images(tmp_path / "images")
    examples = load(source, table, Recipe(16))
    expected = np.stack([pixels(source[name], Recipe(16)) for name in table.column("image_id")])
    np.testing.assert_array_equal(examples.picked(torch.arange(3)).numpy(), expected)
    assert examples.targets.tolist() == [2, 0, 1] and examples.targets.dtype == torch.int64


def test_labels_of_several_are_zeros_and_ones(tmp_path):
    table = toys.table_of(tmp_path / "images", [[0, 2], []], ["train"] * 2, "multilabel")
    assert load(Images(tmp_path / "images"), table, Recipe(8)).targets.tolist() == [[1.0, 0.0, 1.0], [0.0, 0.0, 0.0]]


def test_no_image_is_no_error(tmp_path):
    table = toys.table_of(tmp_path / "images", [[0]], ["train"], "multiclass")
    assert load(Images(tmp_path / "images"), table.where("validation"), Recipe(8)).picked(torch.arange(0)).shape == (0, 8, 8, 3)


def test_statistics_agree_with_numpy_and_flat_images_have_a_deviation():
    values = np.random.default_rng(0).integers(0, 256, (130, 4, 4, 3)).astype(np.uint8)
    mean, std = channel_statistics(Examples(torch.from_numpy(values), torch.zeros(130)))
    np.testing.assert_allclose(mean, (values / 255).mean((0, 1, 2)), atol=1e-6)
    np.testing.assert_allclose(std, (values / 255).std((0, 1, 2)), atol=1e-6)
    flat = channel_statistics(Examples(torch.full((2, 4, 4, 3), 255, dtype=torch.uint8), torch.zeros(2)))
    assert flat == ((1.0,) * 3, (0.003922,) * 3)


def test_picked_images_are_a_networks_input():
    values = torch.arange(2 * 2 * 2 * 3, dtype=torch.uint8).view(2, 2, 2, 3)
    examples, second = Examples(values, torch.tensor([5, 6])), torch.tensor([1])
    torch.testing.assert_close(examples.pick(second, torch.device("cpu")), values[1:].permute(0, 3, 1, 2) / 255)


def test_some_of_the_images_share_the_pixels_of_all():
    values = torch.arange(4 * 3, dtype=torch.uint8).view(4, 1, 1, 3)
    some = Examples(values, torch.tensor([5, 6, 7, 8])).at(torch.tensor([3, 1, 2])).at(torch.tensor([0, 2]))
    assert (len(some), some.shape, some.targets.tolist()) == (2, (1, 1, 3), [8, 7])
    assert some.picked(torch.tensor([1, 0, 1])).flatten().tolist() == [6, 7, 8, 9, 10, 11, 6, 7, 8]
    assert some.pixels.data_ptr() == values.data_ptr()


@pytest.mark.parametrize("fits", [True, False])
def test_where_the_network_is_they_take_their_own_pixels_or_stay(fits, monkeypatch, capsys):
    values, meta = torch.arange(5 * 3, dtype=torch.uint8).view(5, 1, 1, 3), torch.device("meta")
    monkeypatch.setattr(module, "_fits", lambda num_bytes, device: num_bytes == 9 and fits)
    module._say.cache_clear()
    some = Examples(values, torch.arange(5)).at(torch.tensor([4, 0, 2]))
    there = some.to(meta)
    assert (there.targets.device, len(there), there.shape) == (meta, 3, (1, 1, 3))
    assert (there.pixels.device, there.pixels.shape[0], there.rows is None) == ((meta, 3, True) if fits else (values.device, 5, False))
    assert ("are on the meta" in capsys.readouterr().out) == fits
    assert some.to(torch.device("cpu")).pixels is values
