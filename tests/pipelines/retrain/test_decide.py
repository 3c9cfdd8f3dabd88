"""What a retraining decides, beside a real champion in a real store: every reason by name, and no reason at all."""

import dataclasses
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from darkroom.registry import registry
from darkroom.system.processes import owner_tags
from darkroom.tracking.log import set_run_tags
from darkroom.tracking.runs import client, finish_run
from darkroom.tracking.tags import HOST, PID
from pipelines.plan import Plan, key_of, make_plan
from pipelines.retrain.changes import changed_settings
from pipelines.retrain.decide import Decision, RetrainConfig, decide, window_of
from pipelines.retrain.warm_start import warm_start
from tests.pipelines.conftest import ROOT, Toys

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
QUIET = RetrainConfig()


def reasons(decision: Decision) -> dict[str, str]:
    return {reason.name: reason.detail for reason in decision.reasons}


def changed(toys: Toys, **sections: dict[str, Any]) -> Plan:
    return dataclasses.replace(toys.plan, params=toys.plan.params | {step: toys.plan.params[step] | new for step, new in sections.items()})


def test_nothing_changed_is_nothing_to_do(toys: Toys) -> None:
    decision = decide(toys.plan, QUIET)
    assert (decision.action, decision.reasons, decision.run["run_id"]) == ("nothing", (), toys.run_id)
    assert decision.message == (
        f"nothing to do: run {toys.run_id[:8]} with the same data, settings and code has finished and became version 1"
    )


def test_a_missing_champion_is_no_reason_where_there_is_a_version(toys: Toys) -> None:
    store = client()
    store.delete_registered_model_alias("toys", "champion")
    try:
        assert decide(toys.plan, QUIET).action == "nothing"
        assert reasons(decide(changed(toys, train={"epochs": 6}), QUIET)).keys() == {"changed_parameters"}
        assert reasons(decide(toys.plan, RetrainConfig(window="day"), now=NOW)).keys() == {"new_window"}
        later = datetime.now(UTC) + timedelta(days=9)
        assert reasons(decide(toys.plan, RetrainConfig(max_age_days=8), now=later)).keys() == {"champion_age"}
        assert warm_start(toys.plan, Path("nowhere"))[1].start == "scratch"
    finally:
        store.set_registered_model_alias("toys", "champion", "1")


def test_without_any_version_there_is_a_reason(toys: Toys) -> None:
    decision = decide(dataclasses.replace(toys.plan, name="others"), QUIET)
    assert (decision.action, reasons(decision)) == ("train", {"no_champion": "'others' has no version yet"})


def test_new_data_is_told_by_what_changed(toys: Toys, tmp_path: Path) -> None:
    source = tmp_path / "toys"
    shutil.copytree(toys.source, source)
    (source / "owl" / "0024.png").rename(source / "cat" / "moved.png")
    (source / "dog" / "0012.png").unlink()
    for number in range(3):
        (source / "dog" / f"new {number}.png").write_bytes((source / "dog" / "0013.png").read_bytes() + bytes([number]))
    (source / "dog" / "notes.txt").write_text("no image, and not called one")
    decision = decide(make_plan(source, [], ROOT / "params.yaml"), QUIET)
    assert reasons(decision) == {"new_data": "3 images added, 1 removed, 1 relabelled"}
    assert decision.message == "training, because of new_data (3 images added, 1 removed, 1 relabelled)"


def test_the_order_of_names_within_a_setting_is_no_change() -> None:
    before = {"tune.search": '{"train.mixing": [0.0], "train.dropout": [0.1]}'}
    assert changed_settings(before, {"tune": {"search": {"train.dropout": [0.1], "train.mixing": [0.0]}}}) == []
    assert len(changed_settings(before, {"tune": {"search": {"train.dropout": [0.2], "train.mixing": [0.0]}}})) == 1


def test_changed_settings_are_told_by_name(toys: Toys) -> None:
    decision = decide(changed(toys, train={"epochs": 7}, prune={"enabled": False}), QUIET)
    assert reasons(decision) == {"changed_parameters": "train.epochs ('auto', now '7'), prune.enabled ('true', now 'false')"}


def test_settings_of_a_step_that_stays_off_are_no_reason() -> None:
    before = {"tune.enabled": "false", "tune.seed": "0", "train.seed": "0"}
    now: dict[str, dict[str, Any]] = {"tune": {"enabled": False, "seed": 1}, "train": {"seed": 0}}
    assert changed_settings(before, now) == []
    now["tune"]["enabled"] = True
    assert changed_settings(before, now) == ["tune.enabled ('false', now 'true')", "tune.seed ('0', now '1')"]


def test_changed_code_is_told_by_step(toys: Toys, monkeypatch: pytest.MonkeyPatch) -> None:
    from darkroom.versions.code import code_version

    for module in ("pipelines.plan", "pipelines.retrain.decide"):
        monkeypatch.setattr(f"{module}.code_version", lambda step: "new" if step in ("split", "prune") else code_version(step))
    assert reasons(decide(toys.plan, QUIET)) == {"changed_code": "split, prune"}


def test_a_champion_grows_old_once(toys: Toys) -> None:
    config, later = RetrainConfig(max_age_days=7), datetime.now(UTC) + timedelta(days=8)
    assert decide(toys.plan, config).action == "nothing"
    decision = decide(toys.plan, config, now=later)
    assert reasons(decision) == {"champion_age": "version 1 is 8.0 days old, allowed are 7"}
    finish_run(toys.start(decision.key), "FINISHED")
    assert decide(toys.plan, config, now=later).action == "nothing"


def test_a_window_asks_for_one_training_in_each(toys: Toys) -> None:
    config = RetrainConfig(window="week")
    decision = decide(toys.plan, config, now=NOW)
    assert reasons(decision) == {"new_window": "the first one in 2026-W48"}
    finish_run(toys.start(decision.key), "FINISHED")
    assert decide(toys.plan, config, now=NOW + timedelta(days=5)).action == "nothing"
    assert reasons(decide(toys.plan, config, now=NOW + timedelta(days=6))) == {"new_window": "the first one in 2026-W49"}
    assert [window_of(window, NOW) for window in ("", "day", "month")] == ["", "2026-11-24", "2026-11"]  # type: ignore[arg-type]


def test_force_trains_though_nothing_changed(toys: Toys) -> None:
    assert reasons(decide(toys.plan, QUIET, force=True)) == {"forced": "asked for by hand"}


def test_a_run_under_way_is_left_alone_even_by_force_unless_its_owner_is_dead(toys: Toys) -> None:
    work = changed(toys, train={"epochs": 9})
    failed = toys.start(key_of(work))
    finish_run(failed, "FAILED")
    busy = toys.start(key_of(work))
    for force in (False, True):
        decision = decide(work, QUIET, force=force)
        assert (decision.action, decision.run["run_id"]) == ("wait", busy)
        assert decision.message.startswith(
            f"left alone: run {busy[:8]} does the same, on {decision.run['host']}, process {decision.run['pid']}"
        )
    gone = subprocess.Popen(["true"])
    gone.wait()
    set_run_tags(busy, {**owner_tags(), PID: str(gone.pid)})
    assert reasons(decide(work, QUIET)).keys() == {"changed_parameters"}


def test_a_run_that_was_killed_after_its_version_became_champion_is_gone_on_with(toys: Toys) -> None:
    finish_run(toys.run_id, "KILLED")
    try:
        decision = decide(toys.plan, QUIET)
        assert (decision.action, decision.run) == ("train", {"run_id": toys.run_id})
        assert reasons(decision) == {"unfinished": f"run {toys.run_id[:8]} was ended after its version 1 became champion"}
        assert reasons(decide(toys.plan, QUIET, force=True)).keys() == {"forced"}
        assert reasons(decide(changed(toys, train={"epochs": 8}), QUIET)).keys() == {"changed_parameters"}
        assert reasons(decide(toys.plan, RetrainConfig(window="month"), now=NOW)).keys() == {"new_window"}
        set_run_tags(toys.run_id, {HOST: "elsewhere"})
        assert decide(toys.plan, QUIET).action == "nothing"
    finally:
        set_run_tags(toys.run_id, owner_tags())
        finish_run(toys.run_id, "FINISHED")


def test_the_key_names_all_that_a_retraining_is_made_from(toys: Toys, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = [
        key_of(toys.plan),
        key_of(dataclasses.replace(toys.plan, version="other")),
        key_of(dataclasses.replace(toys.plan, name="other")),
        key_of(changed(toys, split={"seed": 1})),
        key_of(toys.plan, start="champion"),
        key_of(toys.plan, window="2026-W48"),
        key_of(toys.plan, renews="1"),
    ]
    monkeypatch.setattr("pipelines.plan.code_version", lambda step: "other")
    keys.append(key_of(toys.plan))
    assert len(set(keys)) == len(keys)
    assert key_of(dataclasses.replace(toys.plan, source=Path("elsewhere"))) == keys[-1]


def test_the_champion_s_run_may_be_gone(toys: Toys, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipelines.retrain.decide.run_facts", lambda run_id: None)
    assert reasons(decide(changed(toys, split={"seed": 2}), QUIET)) == {"changed_code": "the run that made version 1 was deleted"}
    assert registry.champion("toys") is not None
