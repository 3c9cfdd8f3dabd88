"""Schedules on Kubeflow: kfp's own client against a server on this machine that remembers recurring runs."""

import dataclasses
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from darkroom.system.errors import InputError
from pipelines.platform import PlatformConfig, read_platform
from pipelines.retraining import WANTED
from pipelines.schedule import command as commands
from pipelines.schedule import cron
from pipelines.schedule.apply import DesiredRun, RecurringRuns, expressions
from pipelines.schedule.desired_runs import desired_runs, recurring_runs
from pipelines.schedule.schedules import Schedule, ScheduleConfig
from tests.pipelines.conftest import ROOT
from tests.pipelines.recurring_server import RecurringServer, serving

WINTER, SUMMER = datetime(2026, 12, 1, tzinfo=UTC), datetime(2027, 7, 1, tzinfo=UTC)
DATA = "git+https://git.example.org/team/digits.git@main#data"
IMAGE = "registry.example.org/darkroom@sha256:" + "0a" * 32
PIPELINE = "components: {}\ndeploymentSpec: {}\npipelineInfo: {name: small}\nroot: {}\nschemaVersion: 2.1.0\nsdkVersion: kfp-2.17.0\n"


def schedule(name: str = "nightly", text: str = "0 2 * * 0", zone: str = "Europe/Berlin") -> Schedule:
    return Schedule(ScheduleConfig(name=name, cron=text, time_zone=zone, data=DATA), cron.parse(text), cron.read_zone(zone))


@pytest.fixture
def server(request: pytest.FixtureRequest) -> RecurringServer:
    return RecurringServer(knows_zones=getattr(request, "param", True))


@pytest.fixture
def there(server: RecurringServer) -> Iterator[RecurringRuns]:
    with serving(server) as address, recurring_runs(read_platform({"endpoint": address, "experiment": "digits"})) as found:
        yield found


@pytest.fixture
def package(tmp_path: Path) -> Path:
    path = tmp_path / "pipeline.yaml"
    path.write_text(PIPELINE)
    return path


def want(package: Path, one: Schedule | None = None, **arguments: Any) -> DesiredRun:
    return DesiredRun(one or schedule(), "digits", package, {"data": "s3://bucket/digits", **arguments})


@pytest.mark.parametrize(
    ("text", "zone", "zoned", "in_utc"),
    [
        ("0 2 * * 0", "Europe/Berlin", "TZ=Europe/Berlin 0 0 2 * * 0", "0 0 1 * * 0"),
        ("30 0 * * mon-fri", "Europe/Berlin", "TZ=Europe/Berlin 0 30 0 * * 1,2,3,4,5", "0 30 23 * * 0,1,2,3,4"),
        ("0 2 * * 7", "Europe/Berlin", "TZ=Europe/Berlin 0 0 2 * * 0", "0 0 1 * * 0"),
        ("*/30 9-10 1,15 * 5", "Europe/Berlin", "TZ=Europe/Berlin 0 0,30 9,10 1,15 * 5", "0 0,30 8,9 1,15 * 5"),
        ("0 6 1-31 * 1", "Europe/Berlin", "TZ=Europe/Berlin 0 0 6 * * *", "0 0 5 * * *"),
        ("0 2 * jan *", "UTC", "0 0 2 * 1 *", "0 0 2 * 1 *"),
    ],
)
def test_five_fields_and_a_zone_become_six(text: str, zone: str, zoned: str, in_utc: str) -> None:
    found = expressions(schedule(text=text, zone=zone), WINTER)
    assert (found[0], found[-1]) == (zoned, in_utc)


def test_apply_makes_runs_one_at_a_time_without_catch_up_and_changes_nothing_twice(
    server: RecurringServer, there: RecurringRuns, package: Path
) -> None:
    plans = [want(package, schedule(name)) for name in ("nightly", "weekly", "monthly")]
    assert [change.action for change in there.apply(plans, WINTER)] == ["created"] * 3
    assert [change.action for change in there.apply(plans, WINTER)] == ["unchanged"] * 3
    assert server.log == ["create nightly", "create weekly", "create monthly"]
    made = server.recurring[0]
    assert (made["no_catchup"], str(made["max_concurrency"]), made["mode"]) == (True, "1", "ENABLE")
    assert made["trigger"]["cron_schedule"]["cron"] == "TZ=Europe/Berlin 0 0 2 * * 0"
    assert made["runtime_config"]["parameters"] == {"data": "s3://bucket/digits"}
    assert made["description"].startswith("0 2 * * 0 in Europe/Berlin. Made by `darkroom schedule apply`; ")
    assert [experiment["display_name"] for experiment in server.experiments] == ["digits"]


@pytest.mark.parametrize("change", ["arguments", "times", "zone", "pipeline"])
def test_what_changed_is_replaced_and_what_is_gone_is_removed(
    server: RecurringServer, there: RecurringRuns, package: Path, change: str
) -> None:
    there.apply([want(package), want(package, schedule("weekly"))], WINTER)
    other = {"times": schedule(text="0 3 * * 0"), "zone": schedule(zone="Asia/Tokyo")}.get(change)
    if change == "pipeline":
        package.write_text(PIPELINE.replace("small", "other"))
    changes = there.apply([want(package, other, **({"force": True} if change == "arguments" else {}))], WINTER)
    assert [(one.name, one.action) for one in changes] == [("nightly", "replaced"), ("weekly", "removed")]
    assert server.log[2:] == ["create nightly", "delete nightly", "delete weekly"]


def test_what_runs_is_not_replaced_under_way(server: RecurringServer, there: RecurringRuns, package: Path) -> None:
    there.apply([want(package)], WINTER)
    server.add_run("recurring-0", "RUNNING")
    (change,) = there.apply([want(package, force=True)], WINTER)
    assert (change.action, change.note) == ("waiting", "it changed, but run run-0 of it is under way: apply again when that has ended")
    assert server.log == ["create nightly"]
    server.runs[0]["state"] = "SUCCEEDED"
    assert there.apply([want(package, force=True)], WINTER)[0].action == "replaced"


def test_a_crash_between_making_and_deleting_is_put_right(server: RecurringServer, there: RecurringRuns, package: Path) -> None:
    there.apply([want(package)], WINTER)
    old = dict(server.recurring[0])
    there.apply([want(package, force=True)], WINTER)
    server.recurring.insert(0, old)
    assert there.apply([want(package, force=True)], WINTER)[0].action == "unchanged"
    assert [one["recurring_run_id"] for one in server.recurring] != [old["recurring_run_id"]]
    assert len(server.recurring) == 1


def test_what_somebody_else_made_is_left_alone(server: RecurringServer, there: RecurringRuns, package: Path) -> None:
    there.apply([want(package)], WINTER)
    for description in ("by hand", "darkroom-schedule project=other name=nightly content=00"):
        server.recurring.append(server.recurring[0] | {"recurring_run_id": description, "description": description})
    there.apply([], WINTER)
    assert [one["recurring_run_id"] for one in server.recurring] == ["by hand", "darkroom-schedule project=other name=nightly content=00"]
    with pytest.raises(InputError, match="Kubeflow has no schedule 'nightly' of this project"):
        there.remove("nightly")


def test_a_paused_schedule_stays_paused_when_it_is_replaced(server: RecurringServer, there: RecurringRuns, package: Path) -> None:
    there.apply([want(package)], WINTER)
    there.pause("nightly")
    there.apply([want(package, force=True)], WINTER)
    assert [known.enabled for known in there.known()] == [False]
    there.resume("nightly")
    assert [known.enabled for known in there.known()] == [True]
    assert server.log == ["create nightly", "disable nightly", "create nightly", "delete nightly", "enable nightly"]


@pytest.mark.parametrize("server", [False], indirect=True)
def test_a_server_without_zones_gets_utc_and_again_when_the_clocks_change(
    server: RecurringServer, there: RecurringRuns, package: Path
) -> None:
    (made,) = there.apply([want(package)], WINTER)
    assert made.note == "this Kubeflow knows no time zones: it runs in UTC (0 0 1 * * 0); apply again when the clocks change"
    assert there.apply([want(package)], WINTER)[0].action == "unchanged"
    assert there.apply([want(package)], SUMMER)[0].action == "replaced"
    assert server.recurring[0]["trigger"]["cron_schedule"]["cron"] == "0 0 0 * * 0"


def test_a_schedule_whose_last_three_runs_failed_is_failing(server: RecurringServer, there: RecurringRuns, package: Path) -> None:
    there.apply([want(package)], WINTER)
    (known,) = there.known()
    for state in ("SUCCEEDED", "FAILED", "FAILED", "FAILED"):
        assert not there.is_failing(known)
        server.add_run("recurring-0", state)
    assert there.is_failing(known)
    server.add_run("recurring-0", "RUNNING")
    assert there.is_failing(known)
    assert there.endings(known) == ["failed"] * 3


def test_nobody_at_the_endpoint_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipelines.submit.kubeflow_client._WAITS_S", (0.0,))
    monkeypatch.delenv("KF_PIPELINES_ENDPOINT", raising=False)
    for endpoint, words in (("http://127.0.0.1:9", "http://127.0.0.1:9 can't be reached"), ("", "platform.endpoint is empty")):
        with pytest.raises(InputError, match=words), recurring_runs(read_platform({"endpoint": endpoint})) as there:
            there.known()


@pytest.mark.slow
def test_the_commands_from_params_yaml_to_the_server(
    server: RecurringServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with serving(server) as address:
        sections: dict[str, Any] = yaml.safe_load((ROOT / "params.yaml").read_text())
        sections["platform"] |= {"endpoint": address, "image": IMAGE}
        entry = {"name": "nightly", "cron": "0 2 * * 0", "data": DATA, "set": {"train.epochs": 20, "retrain.max_age_days": 30}}
        sections["schedules"] = [entry]
        params = tmp_path / "params.yaml"
        params.write_text(yaml.safe_dump(sections))
        commands.apply(as_json=True, params=params)
        assert json.loads(capsys.readouterr().out) == [{"name": "nightly", "action": "created", "note": ""}]
        commands.apply(as_json=True, params=params)
        assert json.loads(capsys.readouterr().out)[0]["action"] == "unchanged"
        commands.pause("nightly", params)
        commands.list_(as_json=True, params=params)
        row = json.loads(capsys.readouterr().out)[0]
        assert {**row, "next": ""} == {
            "name": "nightly", "cron": "0 2 * * 0", "time_zone": "UTC", "where": "Kubeflow", "state": "paused", "next": "", "last": [],
            "failing": False,
        }  # fmt: skip
        given = server.recurring[0]["runtime_config"]["parameters"]
        assert (given["data"], given["name"], given["force"], given["train"]["epochs"]) == (DATA, "digits", False, 20)
        assert given["retrain"] == {"start": "scratch", "max_age_days": 30.0, "window": ""}
        commands.remove("nightly", params)
        assert server.recurring == []


def test_what_is_to_run_always_is_forced(tmp_path: Path) -> None:
    platform: PlatformConfig = read_platform({"image": IMAGE})
    sections: dict[str, Any] = yaml.safe_load((ROOT / "params.yaml").read_text()) | {"platform": platform.model_dump(mode="json")}
    params = tmp_path / "params.yaml"
    params.write_text(yaml.safe_dump(sections))
    always = schedule()
    always = dataclasses.replace(always, config=always.config.model_copy(update={"run": "run"}))
    (one,) = desired_runs([always], params, tmp_path)
    assert one.arguments["force"] is True
    assert set(one.arguments) == set(WANTED)
    here = dataclasses.replace(always, config=always.config.model_copy(update={"data": "data"}))
    with pytest.raises(InputError, match="a cluster can't read data on this machine"):
        desired_runs([here], params, tmp_path)
