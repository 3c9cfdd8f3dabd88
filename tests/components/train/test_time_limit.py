"""A training within `train.time_limit_min`: what is settled from what was measured, and that it is settled once."""

import json

import pytest

from components.train import time_limit
from components.train.choice import candidates
from components.train.config import TrainConfig
from components.train.costs import Costs, Measured
from components.train.time_limit import NAME, Settled, Sizes, choose_in_time, longest, measure
from darkroom.model import read_card
from darkroom.system.config import parse
from darkroom.system.errors import InputError
from tests.components.train import toys
from tests.components.train.test_choice import LITE0, rows_of
from tests.components.train.test_suitability import images
from tests.components.train.test_train import run

pytestmark = pytest.mark.usefixtures("narrow_network", "no_pictures")
SMALL = Costs(0.001, 0.004, 0.01, 0.001, 0.002)
LARGE = Costs(0.002, 0.016, 0.04, 0.004, 0.008)
MEASURED = Measured(((64, SMALL), (128, LARGE)), score_s=1.0, export_s=5.0)
SIZES = Sizes(1000, 200)


def test_seconds_grow_with_the_pixels_of_an_image():
    assert MEASURED.at(64) == SMALL and MEASURED.at(128) == LARGE
    assert MEASURED.at(96).step_s == pytest.approx(0.01 + 0.03 * (96**2 - 64**2) / (128**2 - 64**2))
    assert Measured(((64, SMALL),), 0.0, 0.0).at(64) == SMALL


@pytest.mark.parametrize(
    ("limit_s", "side", "epochs"),
    [
        pytest.param(600, 128, 14, id="enough for the largest"),
        pytest.param(200, 128, 4, id="just enough for the largest"),
        pytest.param(150, 96, 5, id="a smaller side with the epochs that it is worth"),
        pytest.param(40, 64, 2, id="fewer epochs than the smallest is worth"),
        pytest.param(20, 64, 0, id="none"),
        pytest.param(1e6, 128, 40, id="the most epochs"),
    ],
)
def test_the_largest_side_is_taken_that_there_is_the_time_for(limit_s, side, epochs):
    found = longest({64: 3.5, 96: 3.5, 128: 3.5}, 40, MEASURED, SIZES, 2.0, limit_s)
    assert (found.side_px, found.epochs) == (side, epochs)
    costs = MEASURED.at(side)
    each = 1000 * costs.step_s + 200 * costs.validate_s + 1
    spent = 2 + 1200 * costs.decode_s + epochs * each + 200 * (costs.validate_s + costs.forward_s) + 1 + 5
    assert epochs == 0 or spent <= limit_s < spent + each or epochs == 40
    assert found.needed_s == pytest.approx(spent + (1 - epochs) * each)


@pytest.mark.parametrize(
    ("left_s", "sides"),
    [
        pytest.param(9.0, [64], id="not one epoch of the smallest"),
        pytest.param(20.0, [64], id="less than the smallest is worth"),
        pytest.param(60.0, [64, 96], id="a larger one may be affordable"),
        pytest.param(900.0, [64, 128], id="the largest"),
    ],
)
def test_only_sides_that_may_be_affordable_are_measured(left_s, sides):
    asked = []

    class Known:
        def costs(self, side):
            asked.append(side)
            return MEASURED.at(side)

        def score_s(self):
            return 1.0

        def export_s(self, side):
            return 5.0

    found = measure(Known(), {64: 3.5, 96: 3.5, 128: 3.5}, 1000, left_s)
    assert asked == [side for side, _ in found.sides] == sides
    assert (found.export_s > 0) == (left_s > 10)


@pytest.mark.parametrize("more", [{"num_tested": 3200}, {"num_read": 20_000}, {"kept_views": {64: 4}}])
def test_what_comes_before_the_first_epoch_takes_time_as_well(more):
    found = [longest({64: 1.0}, 40, MEASURED, sizes, 0.0, 60).epochs for sizes in (SIZES, SIZES._replace(**more))]
    assert found[1] < found[0]


def test_the_sides_to_choose_from_are_those_of_auto():
    wanted, most = candidates(rows_of(400, 300), LITE0, TrainConfig(effort="quick"))
    assert wanted == dict.fromkeys((64, 96, 128, 160, 192, 224, 256), 4.0) and most == 2
    wanted, most = candidates(rows_of(100, 300), "small_cnn", TrainConfig())
    assert wanted == {16: 8, 32: 8, 64: 8, 96: 80, 128: 80} and most == 60
    assert candidates(rows_of(400, 300), LITE0, TrainConfig(side_px=80))[0] == {80: 1.0}


def test_a_training_is_settled_once_and_keeps_what_was_settled(tmp_path, monkeypatch, capsys):
    inputs, folder = toys.make(tmp_path), tmp_path / "checkpoints"
    folder.mkdir()
    given = {"time_limit_min": 5, "epochs": "auto", "auto_max_epochs": 3, "model": "small_cnn"}
    measures = run(inputs, tmp_path, checkpoints=folder, **given)
    assert measures["settled_epochs"] == measures["num_epochs"] == 3 and measures["side_px"] == 8
    card, kept = read_card(tmp_path / "model"), json.loads((folder / NAME).read_text())["result"]
    assert card.provenance["hyperparameters"]["epochs"] == kept["epochs"] == 3
    assert "3 epochs of 24 images at 8 px for train.time_limit_min=5" in capsys.readouterr().out
    monkeypatch.setattr(time_limit, "Bench", None)  # nothing is measured again
    again = run(inputs, tmp_path / "again", checkpoints=folder, **given)
    assert again == measures
    assert (tmp_path / "again" / "model" / "model.json").read_bytes() == (tmp_path / "model" / "model.json").read_bytes()


def test_epochs_that_are_set_by_hand_win_and_say_so(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(time_limit, "Bench", None)
    measures = run(toys.make(tmp_path), tmp_path, epochs=1, time_limit_min=0.001)
    assert measures["num_epochs"] == 1 and "settled_epochs" not in measures
    assert "train.epochs=1 is set by hand" in capsys.readouterr().out


def test_without_the_time_for_an_epoch_auto_takes_a_probe_and_a_named_network_is_refused(tmp_path):
    inputs = toys.make(tmp_path)
    given = {"epochs": "auto", "time_limit_min": 0.001, "num_threads": 1}
    measures = run(inputs, tmp_path, model="auto", **given)
    card = read_card(tmp_path / "model")
    assert measures["settled_epochs"] == 0 and card.architecture == "probe(handcrafted)"
    assert [note["text"] for note in card.provenance["notes"] if note["is_warning"] and "train.time_limit_min is 0.001" in note["text"]]
    with pytest.raises(InputError, match=r"train\.time_limit_min is 0\.001, and one epoch of small_cnn at 8 px needs .* minutes: raise"):
        run(inputs, tmp_path, model="small_cnn", **given)


def test_what_auto_chose_gives_way_to_a_probe_and_is_not_refused_as_if_it_had_been_named(monkeypatch):
    monkeypatch.setattr(time_limit, "settle", lambda *_: Settled(64, 0, 1.0, 1.0, 1.0, 600.0))
    config = parse(TrainConfig, "train", {"model": "small_cnn", "time_limit_min": 5})
    given = (None, images(), None, config, 0.0, None)
    assert not choose_in_time(*given, is_named=False).is_affordable
    with pytest.raises(InputError, match=r"one epoch of small_cnn at 64 px needs 11 minutes: raise it to 13, or set train\.model"):
        choose_in_time(*given, is_named=True)


def test_a_limit_is_none_by_default_and_never_negative():
    assert TrainConfig().time_limit_min == 0
    with pytest.raises(InputError, match=r"train\.time_limit_min"):
        parse(TrainConfig, "train", {"time_limit_min": -1})
