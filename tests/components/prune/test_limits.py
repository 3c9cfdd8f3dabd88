"""A verdict names the limit that was broken, the numbers, and nothing else."""

import pytest

from components.prune.limits import Verdict, beside_floor, check_limits, hopeless

FACTS = {"macs_ratio": 0.48, "latency_ratio": 0.6}


def held(before: float, after: float, latency_ratio: float = 0.6, monitor: str = "f1_macro") -> Verdict:
    name = f"validation_{monitor}"
    rows = ({name: value, "validation_loss": 1.0} for value in (before, after))
    return check_limits(FACTS | {"latency_ratio": latency_ratio}, *rows, monitor, 0.02, 0.9)


@pytest.mark.parametrize(
    ("before", "after", "latency_ratio", "met"),
    [
        (0.9, 0.9, 0.6, True),
        (0.9, 0.885, 0.9, True),
        (0.9, 0.87, 0.6, False),
        (0.9, 0.95, 0.91, False),
        (0.8, 0.9, 0.6, True),
    ],
)
def test_both_limits_count(before: float, after: float, latency_ratio: float, met: bool) -> None:
    assert held(before, after, latency_ratio).met is met


def test_the_reason_names_values_and_settings() -> None:
    assert held(0.9, 0.87).reason == (
        "limits not met: f1_macro went from 0.9000 to 0.8700, by more than prune.max_drop 0.02 "
        "(48% of the multiply-adds and 60% of the latency remain)"
    )
    assert held(0.9, 0.91).reason == (
        "limits met: 48% of the multiply-adds and 60% of the latency remain, f1_macro went from 0.9000 to 0.9100"
    )


def test_a_measure_where_less_is_better_may_fall_but_not_rise() -> None:
    assert held(0.5, 0.4, monitor="log_loss").met
    assert not held(0.5, 0.6, monitor="log_loss").met


def test_without_validation_images_nothing_is_claimed() -> None:
    verdict = check_limits(FACTS, {}, {}, "f1_macro", 0.02, 0.9)
    assert not verdict.met
    assert "f1_macro has no value" in verdict.reason
    assert verdict.measures == FACTS


def test_measures_hold_the_monitored_one_and_the_usual_two() -> None:
    rows = [
        {"validation_loss": 1.0, "validation_roc_auc": 0.9, "validation_f1_macro": value, "validation_accuracy": 0.5}
        for value in (0.7, 0.8)
    ]
    measures = check_limits(FACTS, rows[0], rows[1], "roc_auc", 0.02, 0.9).measures
    assert set(measures) == set(FACTS) | {f"{name}_{when}" for name in ("roc_auc", "f1_macro", "accuracy") for when in ("before", "after")}


@pytest.mark.parametrize(
    ("monitor", "floor", "required", "met"),
    [
        ("f1_macro", 0.891, "require", False),
        ("f1_macro", 0.89, "require", True),
        ("f1_macro", 0.891, "register", False),
        ("f1_macro", 0.891, "report", True),
        ("log_loss", 0.88, "require", False),
        ("log_loss", 0.9, "require", True),
    ],
)
def test_a_pruned_model_below_its_floor_is_not_kept(monitor: str, floor: float, required: str, met: bool) -> None:
    row = {"validation_loss": 0.89, "validation_log_loss": 0.89, "validation_f1_macro": 0.89}
    known = {"required": required, "validation": {monitor: {"model": 0.9, "floor": floor}}}
    verdict = check_limits(FACTS, row, row, monitor, 0.02, 0.9, known)
    assert verdict.met is met
    assert met or f"{monitor} of 0.8900 is worse than the floor's {floor:.4f} (train.floor)" in verdict.reason


def test_a_pruned_model_s_card_has_its_own_measures_beside_the_floor_s() -> None:
    floor = {"required": "require", "architecture": "probe(lite0)", "validation": {"f1_macro": {"model": 0.9, "floor": 0.8}}}
    found = beside_floor({"seed": 3, "floor": floor}, {"validation_f1_macro": 0.7, "validation_loss": 1.0})
    assert found == {"seed": 3, "floor": {**floor, "validation": {"f1_macro": {"model": 0.7, "floor": 0.8}}}}
    assert beside_floor({"seed": 3}, {"validation_loss": 1.0}) == {"seed": 3}


def test_losses_of_a_network_and_its_floor_are_compared_without_smoothing_and_weights() -> None:
    row = {"validation_loss": 0.6, "validation_log_loss": 0.15, "validation_f1_macro": 0.95}
    known = {"required": "require", "validation": {"loss": {"model": 0.6, "floor": 0.2}, "log_loss": {"model": 0.15, "floor": 0.2}}}
    assert check_limits(FACTS, row, row, "loss", 0.02, 0.9, known).met
    assert not check_limits(FACTS, row, {**row, "validation_log_loss": 0.21}, "loss", 0.02, 0.9, known).met


@pytest.mark.parametrize(
    ("early", "max_gain", "monitor", "given_up"),
    [
        (0.72, 0.2, "f1_macro", False),
        (0.66, 0.2, "f1_macro", True),
        (0.66, 0.4, "f1_macro", False),
        (5.0, 0.2, "log_loss", False),
        (0.1, 0.2, "roc_auc", False),
    ],
)
def test_only_a_drop_beyond_what_fine_tuning_brings_is_hopeless(early: float, max_gain: float, monitor: str, given_up: bool) -> None:
    before, after = ({"validation_f1_macro": value, "validation_log_loss": value} for value in (0.9, early))
    reason = hopeless(before, after, monitor, 0.02, max_gain)
    assert bool(reason) is given_up
    assert not given_up or all(
        word in reason for word in ("f1_macro", "0.9000", "0.6600", "prune.max_drop 0.02", "prune.early_drop_per_epoch")
    )
