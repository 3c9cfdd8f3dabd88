import errno
import json
from pathlib import Path

import pytest
import yaml

from darkroom.system.errors import AccessError, InputError
from darkroom.tracking.outbox import AwayError
from pipelines.cli import app, main
from pipelines.run.failures import StepFailedError, StepInputError
from tests.pipelines.conftest import Project, answer_of, shapes


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("train.epochs=0", ["train.epochs", "0"]),
        ("train.epoch=3", ["train.epoch is no setting", "did you mean train.epochs?"]),
        ("train.epochs=abc", ["train.epochs", "'abc'"]),
        ("train.model=resnet81", ["train.model is 'resnet81'", "did you mean", "resnet18"]),
        ("train.architecture=xyzzy", ["train.model is 'xyzzy'", "known are small_cnn"]),
        ("trian.epochs=3", ["'trian.epochs=3' names no step"]),
        ("train.epochs", ["has not the form step.setting=value"]),
        ("split.previous=missing.parquet", ["split.previous is 'missing.parquet'", "no such file"]),
    ],
)
def test_a_wrong_setting_is_one_sentence_and_exit_status_2(project: Project, setting: str, words: list[str]) -> None:
    data = shapes(project.folder / "images", num_images=1)
    done = project.fork("run", "--data", str(data), "--set", setting, "--json")
    assert done.returncode == 2
    (message,) = [line for line in done.stderr.strip().split("\n") if line.startswith("error: ")]
    assert all(word in message for word in words), message
    assert answer_of(done) == {"error": message.removeprefix("error: "), "status": 2}
    assert not (project.folder / "runs").exists() or not list((project.folder / "runs").glob("*/artifacts"))


@pytest.mark.parametrize(
    "words", [["run", "--data", "nowhere"], ["logs", "last"], ["predict", "nothing@champion", "x.png"], ["data", "version"]]
)
def test_what_is_not_there_is_named(project: Project, words: list[str]) -> None:
    done = project.fork(*words)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr


def fail_with(error: BaseException, monkeypatch: pytest.MonkeyPatch, *words: str) -> object:
    """The exit status of `darkroom data version`, in which something raises an error."""

    def fail(source: Path) -> str:
        raise error

    monkeypatch.setattr("darkroom.versions.data_version.data_version", fail)
    with pytest.raises(SystemExit) as ended:
        main(["data", "version", *words])
    return ended.value.code


@pytest.mark.parametrize(
    ("error", "status", "words"),
    [
        (InputError("train.epochs is 0", "give at least 1"), 2, "train.epochs is 0: give at least 1"),
        (StepInputError("train", "train.epochs is 0"), 2, "train.epochs is 0"),
        (AccessError("the server refuses anna"), 2, "the server refuses anna"),
        (StepFailedError("train", "ValueError: no loss", "train.log"), 1, "train failed: ValueError: no loss (log: train.log)"),
        (AwayError("MLflow is away"), 1, "MLflow is away"),
        (OSError(errno.ENOSPC, "No space left on device", "/out/model"), 1, "/out/model"),
        (KeyboardInterrupt(), 1, "stopped"),
    ],
)
def test_an_errors_type_decides_the_status_and_its_sentence_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: BaseException, status: int, words: str
) -> None:
    error.add_note("and a note")
    assert fail_with(error, monkeypatch) == status
    out, err = capsys.readouterr()
    assert (out, err.startswith("error: "), words in err) == ("", True, True)
    assert "and a note" in err or isinstance(error, KeyboardInterrupt)
    assert fail_with(error, monkeypatch, "--json") == status
    out, err = capsys.readouterr()
    answer = json.loads(out)
    assert (answer["status"], err.split("\n")[0]) == (status, f"error: {answer['error']}")


def test_an_error_of_another_type_is_a_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ZeroDivisionError):
        fail_with(ZeroDivisionError("InputError: ours"), monkeypatch)


def test_every_command_shows_an_example() -> None:
    from typer.main import get_command

    commands = get_command(app).commands  # type: ignore[attr-defined]
    groups = [command.commands.values() if hasattr(command, "commands") else [command] for command in commands.values()]
    for command in [command for group in groups for command in group]:
        assert "Example: `darkroom " in command.help, command.name


def test_the_sample_is_laid_out_once(project: Project) -> None:
    assert project.fork("data", "sample", "digits").stdout == "1797 images in digits/\n"
    done = project.fork("data", "sample", "digits")
    assert (done.returncode, "is not empty" in done.stderr) == (2, True)
    version = json.loads(project.fork("data", "version", "digits", "--json").stdout)
    recorded = yaml.safe_load((Path(__file__).parent.parent.parent / "data.dvc").read_text())["outs"][0]["md5"]
    assert version == {"data_version": recorded}
