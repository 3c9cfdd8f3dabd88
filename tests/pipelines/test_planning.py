"""What a turn of retraining decides, beside a real champion in a real store: every reason by name, and no reason at all."""

import dataclasses
import hashlib
import shutil
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from components import issues, manifest, versions
from components.claims import KEY
from components.images import Images
from components.owners import PID, owner_tags
from components.register.config import RegisterConfig
from components.register.register import register
from components.runlog import set_run_tags
from components.tracking import finish_run, start_run
from pipelines import runs
from pipelines.planning import Decision, RetrainConfig, decide, key_of, window_of
from pipelines.runs import Plan, plan
from tests.finished import make
from tests.pipelines.conftest import ROOT

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
QUIET = RetrainConfig()


@dataclasses.dataclass
class Place:
    """A source, what would be run on it, and the run behind its champion."""

    source: Path
    plan: Plan
    run_id: str

    def start(self, key: str, **tags: str) -> str:
        return start_run("toys", "other", {}, {KEY: key, **tags}, "toys", self.plan.version)


@pytest.fixture(scope="module")
def place(migrated_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A champion whose run has finished; tests leave it as it is."""
    folder = tmp_path_factory.mktemp("planning")
    shutil.copyfile(migrated_store, folder / "mlflow.db")
    work = make(folder / "made", judge_pruned=False)
    table, source = manifest.read(work.sources.splits), folder / "toys"
    images = Images(work.images)
    for path, name in zip(table.column("path"), table.column("image_id"), strict=True):
        (source / path).parent.mkdir(parents=True, exist_ok=True)
        (source / path).write_bytes(images[name])
    dropped = b"no image at all"
    (source / "cat" / "broken.png").write_bytes(dropped)
    issues.write(
        work.sources.issues,
        [{"path": "cat/broken.png", "image_id": hashlib.sha256(dropped).hexdigest(), "action": "dropped", "check": "x"}],
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder / 'mlflow.db'}")
        made = plan(source, [], ROOT / "params.yaml")
        dataclasses.replace(table, data_version=made.version).write(work.sources.splits)
        run_id = runs._start(made)
        patch.setenv("MLFLOW_RUN_ID", run_id)
        outputs = {name: folder / name for name in ("outcome", "report")}
        register(**work.arguments(), **outputs, config=RegisterConfig(), name="toys", params=made.params)
        patch.delenv("MLFLOW_RUN_ID")
        finish_run(run_id, "FINISHED")
        yield Place(source, made, run_id)


def reasons(decision: Decision) -> dict[str, str]:
    return {reason.name: reason.detail for reason in decision.reasons}


def changed(place: Place, **sections: dict[str, Any]) -> Plan:
    return dataclasses.replace(
        place.plan, params=place.plan.params | {step: place.plan.params[step] | new for step, new in sections.items()}
    )


def test_nothing_changed_is_nothing_to_do(place: Place) -> None:
    decision = decide(place.plan, QUIET)
    assert (decision.action, decision.reasons, decision.run["run_id"]) == ("nothing", (), place.run_id)
    assert decision.message == (
        f"nothing to do: run {place.run_id[:8]} with the same data, settings and code has finished and became version 1"
    )


def test_without_a_champion_there_is_a_reason(place: Place) -> None:
    decision = decide(dataclasses.replace(place.plan, name="others"), QUIET)
    assert (decision.action, reasons(decision)) == ("train", {"no_champion": "'others' has no champion yet"})


def test_new_data_is_told_by_what_changed(place: Place, tmp_path: Path) -> None:
    source = tmp_path / "toys"
    shutil.copytree(place.source, source)
    (source / "owl" / "0024.png").rename(source / "cat" / "moved.png")
    (source / "dog" / "0012.png").unlink()
    for number in range(3):
        (source / "dog" / f"new {number}.png").write_bytes((source / "dog" / "0013.png").read_bytes() + bytes([number]))
    (source / "dog" / "notes.txt").write_text("no image, and not called one")
    decision = decide(plan(source, [], ROOT / "params.yaml"), QUIET)
    assert reasons(decision) == {"new_data": "3 images added, 1 removed, 1 relabelled"}
    assert decision.message == "training, because of new_data (3 images added, 1 removed, 1 relabelled)"


def test_changed_settings_are_told_by_name(place: Place) -> None:
    decision = decide(changed(place, train={"epochs": 7}, prune={"enabled": False}), QUIET)
    assert reasons(decision) == {"changed_parameters": "train.epochs ('auto', now '7'), prune.enabled ('true', now 'false')"}


def test_changed_code_is_told_by_step(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    from components.code import code_version

    monkeypatch.setattr("pipelines.planning.code_version", lambda step: "new" if step in ("split", "prune") else code_version(step))
    assert reasons(decide(place.plan, QUIET)) == {"changed_code": "split, prune"}


def test_a_champion_grows_old_once(place: Place) -> None:
    config, later = RetrainConfig(max_age_days=7), datetime.now(UTC) + timedelta(days=8)
    assert decide(place.plan, config).action == "nothing"
    decision = decide(place.plan, config, now=later)
    assert reasons(decision) == {"champion_age": "version 1 is 8.0 days old, allowed are 7"}
    finish_run(place.start(decision.key), "FINISHED")
    assert decide(place.plan, config, now=later).action == "nothing"


def test_a_window_asks_for_one_training_in_each(place: Place) -> None:
    config = RetrainConfig(window="week")
    decision = decide(place.plan, config, now=NOW)
    assert reasons(decision) == {"new_window": "the first one in 2026-W48"}
    finish_run(place.start(decision.key), "FINISHED")
    assert decide(place.plan, config, now=NOW + timedelta(days=5)).action == "nothing"
    assert reasons(decide(place.plan, config, now=NOW + timedelta(days=6))) == {"new_window": "the first one in 2026-W49"}
    assert [window_of(window, NOW) for window in ("", "day", "month")] == ["", "2026-11-24", "2026-11"]  # type: ignore[arg-type]


def test_force_trains_though_nothing_changed(place: Place) -> None:
    assert reasons(decide(place.plan, QUIET, force=True)) == {"forced": "asked for by hand"}


def test_a_run_under_way_is_left_alone_even_by_force_unless_its_owner_is_dead(place: Place) -> None:
    work = changed(place, train={"epochs": 9})
    failed = place.start(key_of(work))
    finish_run(failed, "FAILED")
    busy = place.start(key_of(work))
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


def test_the_key_names_all_that_a_retraining_is_made_from(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = [
        key_of(place.plan),
        key_of(dataclasses.replace(place.plan, version="other")),
        key_of(dataclasses.replace(place.plan, name="other")),
        key_of(changed(place, split={"seed": 1})),
        key_of(place.plan, start="champion"),
        key_of(place.plan, window="2026-W48"),
        key_of(place.plan, renews="1"),
    ]
    monkeypatch.setattr("pipelines.planning.code_version", lambda step: "other")
    keys.append(key_of(place.plan))
    assert len(set(keys)) == len(keys)
    assert key_of(dataclasses.replace(place.plan, source=Path("elsewhere"))) == keys[-1]


def test_the_champion_s_run_may_be_gone(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipelines.planning.run_facts", lambda run_id: None)
    assert reasons(decide(changed(place, split={"seed": 2}), QUIET)) == {"changed_code": "the run behind version 1 is gone"}
    assert versions.champion("toys") is not None
