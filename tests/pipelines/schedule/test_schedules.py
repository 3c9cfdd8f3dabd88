"""Schedules as code: what is accepted, what is refused in one sentence, and the lines that others are given."""

import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from darkroom.system.errors import InputError
from pipelines.schedule.exported import Start, cron_lines, start_from, systemd_units
from pipelines.schedule.schedules import find_schedule, read_schedules

WINTER = datetime(2026, 11, 24, 12, tzinfo=UTC)
NIGHTLY = "{name: nightly, cron: '0 2 * * 0', time_zone: Europe/Berlin, data: photos, set: {train.epochs: 20, split.given: ignore}}"


def write(folder: Path, *entries: str) -> Path:
    path = folder / "params.yaml"
    path.write_text("train: {}\nschedules:\n" + "".join(f"  - {entry}\n" for entry in entries))
    return path


def test_an_entry_becomes_a_schedule(tmp_path: Path) -> None:
    (schedule,) = read_schedules(write(tmp_path, NIGHTLY))
    assert (schedule.name, schedule.zone.key, schedule.config.data, schedule.config.run) == (
        "nightly",
        "Europe/Berlin",
        "photos",
        "retrain",
    )
    assert schedule.overrides == ["train.epochs=20", "split.given=ignore"]
    assert f"{schedule.next_time(WINTER):%Y-%m-%d %H:%M %z}" == "2026-11-29 02:00 +0100"
    assert read_schedules(write(tmp_path)) == []


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("{name: nightly, cron: '0 2 * *'}", "schedule 'nightly': cron '0 2 \\* \\*' has 4 fields: give five fields"),
        ("{name: nightly, cron: '0 2 * * 0', time_zone: Mars}", "schedule 'nightly': time zone 'Mars' is not known"),
        ("{name: 'a b', cron: '0 2 * * 0'}", r"schedules\.name is 'a b'.*Letters, digits, dashes"),
        ("{cron: '0 2 * * 0'}", r"schedules\.name"),
        ("{name: a, cron: '0 2 * * 0', when: never}", r"schedules\.when is no setting"),
        ("{name: a, cron: '0 2 * * 0', run: sometimes}", r"schedules\.run is 'sometimes'"),
        ("{name: a, cron: '0 2 * * 0', window: year}", r"schedules\.window is 'year'"),
        ("nightly", "schedules must be a list of entries"),
    ],
)
def test_a_wrong_entry_is_told_in_a_sentence(tmp_path: Path, entry: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_schedules(write(tmp_path, entry))


def test_names_are_unique_and_known(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="two schedules are called 'nightly'"):
        read_schedules(write(tmp_path, NIGHTLY, NIGHTLY))
    with pytest.raises(InputError, match=r"there is no schedule 'daily' in .*: known are nightly"):
        find_schedule(write(tmp_path, NIGHTLY), "daily")


def test_cron_lines_are_in_this_machine_s_time(tmp_path: Path) -> None:
    schedules = read_schedules(write(tmp_path, NIGHTLY, "{name: noon, cron: '0 12 * * *'}"))
    project = Start(Path("/srv/100% digits"))
    lines = cron_lines(schedules, project, ZoneInfo("UTC"), WINTER)
    assert lines[1] == (
        "# nightly: 0 2 * * 0 in Europe/Berlin, with the offset of 2026-11-24: export again when they change, or use systemd"
    )
    assert lines[2].startswith(r"0 1 * * 0 cd '/srv/100\% digits' && mkdir -p runs/schedules && ")
    assert lines[2].endswith("schedule run nightly >> runs/schedules/nightly.log 2>&1")
    assert lines[3] == "# noon: 0 12 * * * in UTC"
    assert cron_lines(schedules[:1], project, ZoneInfo("Europe/Berlin"), WINTER)[2].startswith("0 2 * * 0 ")


def test_systemd_units_name_the_time_zone_and_catch_nothing_up(tmp_path: Path) -> None:
    units = systemd_units(read_schedules(write(tmp_path, NIGHTLY)), Start(tmp_path))
    assert set(units) == {"darkroom-nightly.service", "darkroom-nightly.timer"}
    assert "OnCalendar=Sun *-*-* 02:00:00 Europe/Berlin\nPersistent=false\n" in units["darkroom-nightly.timer"]
    assert f"WorkingDirectory={tmp_path}\n" in units["darkroom-nightly.service"]


SURROUNDINGS = {
    "MLFLOW_TRACKING_URI": "https://mlflow.example.org",
    "MLFLOW_TRACKING_USERNAME": "anna",
    "MLFLOW_TRACKING_PASSWORD": "secret123",
    "DARKROOM_WEBHOOK_URL": "https://hooks.example.org/secret123",
    "AWS_DEFAULT_REGION": "50% east",
    "HOME": "/home/anna",
}
SECRET = ("DARKROOM_WEBHOOK_URL", "MLFLOW_TRACKING_PASSWORD")


@pytest.mark.parametrize("form", ["cron", "systemd"])
def test_what_is_exported_carries_its_surroundings_but_names_the_secrets(tmp_path: Path, form: str) -> None:
    schedules = read_schedules(write(tmp_path, NIGHTLY))
    start = start_from(tmp_path, tmp_path / "team.yaml", SURROUNDINGS)
    if form == "cron":
        text = "\n".join(cron_lines(schedules, start, ZoneInfo("UTC"), WINTER))
        assert r"env 'AWS_DEFAULT_REGION=50\% east' MLFLOW_TRACKING_URI=https://mlflow.example.org MLFLOW_TRACKING_USERNAME=anna " in text
    else:
        text = systemd_units(schedules, start)["darkroom-nightly.service"]
        assert 'Environment="AWS_DEFAULT_REGION=50%% east"\nEnvironment="MLFLOW_TRACKING_URI=https://mlflow.example.org"\n' in text
    assert "schedule run nightly --params team.yaml" in text
    (comment,) = [line for line in text.split("\n") if line.startswith("# The environment must bring ")]
    assert all(name in comment for name in SECRET)
    assert "secret123" not in text and "HOME" not in text


def test_an_address_with_a_password_is_a_secret_and_a_file_is_named_from_the_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    secret = start_from(tmp_path, tmp_path / "params.yaml", {"MLFLOW_TRACKING_URI": "postgresql://anna:secret123@host/mlflow"})
    assert (secret.variables, secret.secrets, secret.params) == ({}, ("MLFLOW_TRACKING_URI",), Path("params.yaml"))
    own = start_from(tmp_path / "inner", tmp_path / "params.yaml", {"MLFLOW_TRACKING_URI": "sqlite:///mlflow.db"})
    assert (own.variables["MLFLOW_TRACKING_URI"], own.params) == (f"sqlite:///{tmp_path}/mlflow.db", tmp_path / "params.yaml")


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd-analyze on this machine")
def test_systemd_accepts_the_units(tmp_path: Path) -> None:
    units = systemd_units(read_schedules(write(tmp_path, NIGHTLY)), Start(tmp_path))
    for name, text in units.items():
        (tmp_path / name).write_text(text)
    command = ["systemd-analyze", "verify", "--user", str(tmp_path / "darkroom-nightly.timer")]
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, env={"HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path)}
    )
    assert (done.returncode, "darkroom-nightly" in done.stderr) == (0, False), done.stderr
