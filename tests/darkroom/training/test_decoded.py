"""Where decoded images are: each place gives the same pixels, the same training, and is said."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from darkroom import pixel_store
from darkroom.augmentation.policy import Operation, Policy
from darkroom.images import Images, ImageWriter
from darkroom.manifest import put_column
from darkroom.networks.network import build
from darkroom.preprocessing.recipe import Recipe
from darkroom.system import scratch
from darkroom.system.errors import InputError
from darkroom.training import handover
from darkroom.training.decoded import ImageFiles, OnTheFly, decode
from darkroom.training.examples import Examples
from darkroom.training.hyperparameters import Settings
from darkroom.training.loop import fit
from darkroom.training.problem import Problem, read_problem
from tests.components.train import toys

PLACES = ("memory", "store", "scratch", "fly")
SAID = {
    "memory": "0.0 MB of decoded images are in memory",
    "store": "0.0 MB of decoded images are kept in {store}/pixels-",
    "scratch": "0.0 MB of decoded images are in a scratch file under {scratch}",
    "fly": "0.0 MB of decoded images have no room on the disk or in memory: they are decoded on the fly",
}


def put(place: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path | None:
    """Lets decoded images be in one of the places; gives the store, or none."""
    (folder / "scratch").mkdir(exist_ok=True)
    monkeypatch.setattr("tempfile.tempdir", str(folder / "scratch"))
    if place != "memory":
        monkeypatch.setattr(pixel_store, "MEMORY_BYTES", 10)
    if place == "fly":

        def full(descriptor: int, size: int) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(scratch, "reserve", full)
        monkeypatch.setattr(pixel_store, "reserve", full)
        monkeypatch.setattr(scratch, "available_memory", lambda: 0)
    return folder / f"vectors-{place}" if place in ("store", "fly") else None


@pytest.mark.parametrize("place", PLACES)
def test_the_pixels_are_the_same_wherever_they_are_and_it_is_said(place, tmp_path, monkeypatch, capsys):
    table = toys.table_of(tmp_path / "images", [[0], [1], [2]], ["train"] * 3, "multiclass")
    names, recipe = table.column("image_id"), Recipe(8)
    expected = decode(ImageFiles(Images(tmp_path / "images"), names, names, recipe)).pixels
    capsys.readouterr()
    store = put(place, tmp_path, monkeypatch)
    files = ImageFiles(Images(tmp_path / "images", store=store), [*names, names[0]], [*names, "again"], recipe)
    found = Examples(decode(files).pixels, torch.zeros(4)) if place != "store" else Examples(*_with_rows(files))
    assert torch.equal(found.picked(torch.tensor([2, 0, 3, 1])), expected[[2, 0, 0, 1]])
    assert torch.equal(torch.cat([found.picked(some) for some in found.ahead(torch.split(torch.arange(4), 3))]), expected[[0, 1, 2, 0]])
    assert capsys.readouterr().out.startswith(SAID[place].format(store=store, scratch=tmp_path / "scratch"))
    assert not list((tmp_path / "scratch").iterdir())
    assert isinstance(found.pixels, OnTheFly) == (place == "fly")


def _with_rows(files):
    found = decode(files)
    return found.pixels, torch.zeros(4), found.rows


def trained(folder: Path, table, store: Path | None):
    """The weights after an epoch, with augmentation and mixing, on a table's images."""
    (folder / "policy.json").write_text(Policy(operations=(Operation(name="horizontal_flip", probability=0.5),)).model_dump_json())
    problem = read_problem(Images(folder / "images", store=store), table, folder / "policy.json", Recipe(8))
    torch.manual_seed(0)
    network = build("small_cnn", 3, side_px=8)
    fit(network, problem, Settings(1, batch_size=5, optimizer="sgd", learning_rate=0.05, mixing=0.5, class_balance="sampling"))
    return problem, network.state_dict()


def test_a_training_gives_the_same_weights_wherever_its_images_are(tmp_path, monkeypatch):
    labels = [[number % 3] for number in range(20)]
    table = toys.table_of(tmp_path / "images", labels, ["train"] * 14 + ["validation"] * 6, "multiclass")
    expected = trained(tmp_path, table, None)[1]
    for place in PLACES[1:]:
        with monkeypatch.context() as patch:
            problem, weights = trained(tmp_path, table, put(place, tmp_path, patch))
        assert isinstance(problem.train.pixels, OnTheFly) == (place == "fly")
        assert all(torch.equal(weights[name], value) for name, value in expected.items()), place


def test_folds_and_thinned_tables_map_what_the_first_training_kept(tmp_path, monkeypatch, capsys):
    table = toys.table_of(tmp_path / "images", [[0], [1], [2], [0]], ["train", "test", "train", "validation"], "multiclass")
    (tmp_path / "policy.json").write_text(Policy().model_dump_json())
    source = Images(tmp_path / "images", store=put("store", tmp_path, monkeypatch))
    first = read_problem(source, table, tmp_path / "policy.json", Recipe(8))
    fold = dataclasses.replace(table, table=put_column(table.table, "split", ["validation", "test", "train", "train"]))
    thin = dataclasses.replace(table, table=table.table.take([3, 2]))
    monkeypatch.setattr(ImageFiles, "decode", None)  # what is called decodes
    others = [read_problem(source, one, tmp_path / "policy.json", Recipe(8)) for one in (fold, thin)]
    said = capsys.readouterr().out.splitlines()
    assert ["kept in" in line for line in said] == [True, False, False] and ["mapped from" in line for line in said] == [False, True, True]
    assert torch.equal(others[0].validation.picked(torch.arange(1)), first.train.picked(torch.arange(1)))
    assert torch.equal(others[0].train.picked(torch.arange(2))[1], first.validation.picked(torch.arange(1))[0])
    assert torch.equal(others[1].train.picked(torch.arange(1)), first.train.picked(torch.tensor([1])))
    assert [problem.mean for problem in others] != [first.mean] * 2


def test_an_image_that_cant_be_decoded_is_named_and_leaves_no_half_file(tmp_path, monkeypatch):
    with ImageWriter(tmp_path / "images") as writer:
        name = writer.add(b"no image")
    for place in PLACES:
        with monkeypatch.context() as patch:
            source = Images(tmp_path / "images", store=put(place, tmp_path, patch))
            with pytest.raises(InputError, match=r"cats/7\.png can't be decoded \(not an image\)"):
                Examples(decode(ImageFiles(source, [name], ["cats/7.png"], Recipe(8))).pixels, torch.zeros(1)).picked(torch.arange(1))
    assert not list((tmp_path / "vectors-store" / pixel_store.KEPT_AS).iterdir())


@pytest.mark.parametrize("place", ["memory", "fly"])
def test_images_that_may_be_unreadable_are_counted(place, tmp_path, monkeypatch):
    table = toys.table_of(tmp_path / "images", [[0], [1]], ["train"] * 2, "multiclass")
    with ImageWriter(tmp_path / "others") as writer:
        bad = writer.add(b"no image")
    put(place, tmp_path, monkeypatch)
    names, unreadable = [table.column("image_id")[0], bad], set[int]()
    decode(ImageFiles(Images(tmp_path / "images", tmp_path / "others"), names, names, Recipe(8)), unreadable)
    assert unreadable == {1}


def test_on_the_fly_images_reach_the_processes_that_train_together(tmp_path, monkeypatch):
    table = toys.table_of(tmp_path / "images", [[0], [1], [2], [0]], ["train"] * 3 + ["validation"], "multiclass")
    (tmp_path / "policy.json").write_text(Policy().model_dump_json())
    put("fly", tmp_path, monkeypatch)
    problem = read_problem(Images(tmp_path / "images"), table, tmp_path / "policy.json", Recipe(8))
    handover.write_work(tmp_path, handover.Work("small_cnn", 0.0, {}, problem, Settings(1, batch_size=2), 1))
    read: Problem = handover.read_work(tmp_path).problem
    for given, found in ((problem.train, read.train), (problem.validation, read.validation)):
        every = torch.arange(len(given))
        assert isinstance(found.pixels, OnTheFly) and torch.equal(found.picked(every), given.picked(every))


def test_only_a_few_images_are_decoded_ahead_and_each_once(tmp_path, monkeypatch):
    table = toys.table_of(tmp_path / "images", [[0]] * 40, ["train"] * 40, "multiclass")
    names, seen = table.column("image_id"), list[int]()
    decode_one = ImageFiles.decode
    monkeypatch.setattr(ImageFiles, "decode", lambda files, row: (seen.append(row), decode_one(files, row))[1])
    monkeypatch.setattr("darkroom.system.parallel.num_cores", lambda: 2)
    fly = OnTheFly(ImageFiles(Images(tmp_path / "images"), names, names, Recipe(8)))
    batches = torch.split(torch.arange(39, -1, -1), 4)
    for number in fly.ahead(batches):
        assert fly[batches[number]].shape == (4, 8, 8, 3)
        assert len(seen) <= 4 * (number + 1) + 8
    assert sorted(seen) == list(range(40))
    np.testing.assert_array_equal(fly[torch.tensor([3])][0], decode_one(fly._files, 3))
