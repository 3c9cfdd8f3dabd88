"""Decoded images: what they hold, where they stand, and what can't be decoded."""

import mmap

import numpy as np
import pytest
import torch

from darkroom.images import Images, ImageWriter
from darkroom.pixels import pixels
from darkroom.preprocessing.recipe import Recipe
from darkroom.system.errors import InputError
from darkroom.training import examples as cache
from darkroom.training.examples import Examples, channel_statistics, decode, load
from tests.components.train import toys


def test_examples_are_the_decoded_images_in_the_tables_order(tmp_path):
    table = toys.table_of(tmp_path / "images", [[2], [0], [1]], ["train"] * 3, "multiclass")
    source = Images(tmp_path / "images")
    examples = load(source, table, Recipe(16))
    expected = np.stack([pixels(source[name], Recipe(16)) for name in table.column("image_id")])
    np.testing.assert_array_equal(examples.pixels.numpy(), expected)
    assert examples.targets.tolist() == [2, 0, 1] and examples.targets.dtype == torch.int64


def test_labels_of_several_are_zeros_and_ones(tmp_path):
    table = toys.table_of(tmp_path / "images", [[0, 2], []], ["train"] * 2, "multilabel")
    assert load(Images(tmp_path / "images"), table, Recipe(8)).targets.tolist() == [[1.0, 0.0, 1.0], [0.0, 0.0, 0.0]]


def test_many_pixels_stand_in_a_scratch_file_that_has_no_name_and_it_is_said(tmp_path, monkeypatch, capsys):
    table = toys.table_of(tmp_path / "images", [[0], [1]], ["train"] * 2, "multiclass")
    source, names = Images(tmp_path / "images"), table.column("image_id")
    expected = decode(source, names, names, Recipe(8))
    monkeypatch.setattr(cache, "MEMORY_BYTES", 10)
    monkeypatch.setenv("TMPDIR", str(tmp_path / "scratch"))
    (tmp_path / "scratch").mkdir()
    monkeypatch.setattr("tempfile.tempdir", None)
    mapped = decode(source, names, names, Recipe(8))
    assert isinstance(mapped.base, mmap.mmap) and not list((tmp_path / "scratch").iterdir())
    np.testing.assert_array_equal(mapped, expected)
    assert f"GB of decoded images are in a scratch file under {tmp_path / 'scratch'}" in capsys.readouterr().out


def test_an_image_that_cant_be_decoded_is_named(tmp_path):
    with ImageWriter(tmp_path / "images") as writer:
        name = writer.add(b"no image")
    with pytest.raises(InputError, match=r"cats/7\.png can't be decoded \(not an image\)"):
        decode(Images(tmp_path / "images"), [name], ["cats/7.png"], Recipe(8))


def test_no_image_is_no_error(tmp_path):
    table = toys.table_of(tmp_path / "images", [[0]], ["train"], "multiclass")
    assert load(Images(tmp_path / "images"), table.where("validation"), Recipe(8)).pixels.shape == (0, 8, 8, 3)


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
    assert torch.equal(examples.at(second).pixels, values[1:]) and examples.at(second).targets.tolist() == [6]
