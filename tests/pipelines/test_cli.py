import errno
import json
from pathlib import Path

import pytest
import yaml

from pipelines import cli
from pipelines.cli import app
from tests.pipelines.conftest import Project, shapes


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("train.epochs=0", ["train.epochs", "0"]),
        ("train.epoch=3", ["train.epoch is no setting", "did you mean train.epochs?"]),
        ("train.epochs=abc", ["train.epochs", "'abc'"]),
        ("trian.epochs=3", ["'trian.epochs=3' names no step"]),
        ("train.epochs", ["has not the form step.setting=value"]),
        ("split.previous=missing.parquet", ["split.previous is 'missing.parquet'", "no such file"]),
    ],
)
def test_a_wrong_setting_is_one_sentence_and_exit_status_2(project: Project, setting: str, words: list[str]) -> None:
    data = shapes(project.folder / "images", num_images=1)
    done = project.darkroom("run", "--data", str(data), "--set", setting, "--json")
    assert done.returncode == 2
    (message,) = [line for line in done.stderr.strip().split("\n") if line.startswith("error: ")]
    assert all(word in message for word in words), message
    assert json.loads(done.stdout.strip().split("\n")[-1]) == {"error": message.removeprefix("error: "), "status": 2}
    assert not (project.folder / "runs").exists() or not list((project.folder / "runs").glob("*/artifacts"))


@pytest.mark.parametrize(
    "words", [["run", "--data", "nowhere"], ["logs", "last"], ["predict", "nothing@champion", "x.png"], ["data", "version"]]
)
def test_what_is_not_there_is_named(project: Project, words: list[str]) -> None:
    done = project.darkroom(*words)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr


def test_a_fault_of_the_machine_is_one_sentence_and_another_error_a_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(error: Exception) -> None:
        raise error

    monkeypatch.setattr("sys.argv", ["darkroom", "run", "--json"])
    monkeypatch.setattr(cli, "app", lambda: broken(OSError(errno.ENOSPC, "No space left on device", "/out/model")))
    with pytest.raises(SystemExit) as ended:
        cli.main()
    told = "no room is left on the disk for /out/model: make room, for example with `darkroom gc`; then the same command goes on"
    out, err = capsys.readouterr()
    assert (ended.value.code, err.startswith(f"error: {told}"), json.loads(out)["status"]) == (1, True, 1)
    monkeypatch.setattr(cli, "app", lambda: broken(ZeroDivisionError("ours")))
    with pytest.raises(ZeroDivisionError):
        cli.main()


def test_every_command_shows_an_example() -> None:
    from typer.main import get_command

    commands = get_command(app).commands  # type: ignore[attr-defined]
    groups = [command.commands.values() if hasattr(command, "commands") else [command] for command in commands.values()]
    for command in [command for group in groups for command in group]:
        assert "Example: `darkroom " in command.help, command.name


def test_the_sample_is_laid_out_once(project: Project) -> None:
    assert project.darkroom("data", "sample", "digits").stdout == "1797 images in digits/\n"
    done = project.darkroom("data", "sample", "digits")
    assert (done.returncode, "is not empty" in done.stderr) == (2, True)
    version = json.loads(project.darkroom("data", "version", "digits", "--json").stdout)
    recorded = yaml.safe_load((Path(__file__).parent.parent.parent / "data.dvc").read_text())["outs"][0]["md5"]
    assert version == {"data_version": recorded}
