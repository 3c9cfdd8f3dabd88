"""The temporary folder of a run."""

import os
import subprocess
import tempfile
from pathlib import Path

import pytest

from darkroom.system.errors import InputError
from darkroom.system.faults import explain_text
from pipelines.run.temporary import check_temporary, remove_temporary, temporary_folder


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary files go in this test."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return tmp_path


def make_one() -> Path:
    """A folder as the shell makes it that starts a step of kfp's."""
    return Path(subprocess.run(["mktemp", "-d"], capture_output=True, check=True, encoding="utf-8").stdout.strip())


def test_what_steps_leave_is_removed_with_the_run(place: Path) -> None:
    with pytest.raises(ZeroDivisionError), temporary_folder("0123456789abcdef") as folder:
        assert make_one().parent == folder and folder.parent == place
        raise ZeroDivisionError
    assert (os.environ["TMPDIR"], list(place.iterdir())) == (str(place), [])


def test_what_a_killed_run_left_is_removed_and_that_of_others_stays(place: Path) -> None:
    for name in ("darkroom-01234567-x", "darkroom-76543210-x"):
        (place / name / "inside").mkdir(parents=True)
    remove_temporary("0123456789abcdef")
    assert [path.name for path in place.iterdir()] == ["darkroom-76543210-x"]


@pytest.mark.parametrize("name", ["missing", "file"])
def test_a_folder_that_cannot_be_used_is_named(place: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    (place / "file").touch()
    check_temporary()
    monkeypatch.setenv("TMPDIR", str(place / name))
    with pytest.raises(InputError, match=f"TMPDIR is .*{name}"):
        check_temporary()


def test_a_machine_without_any_is_one_sentence() -> None:
    assert "TMPDIR" in explain_text("[Errno 2] No usable temporary directory found in ['/tmp', '/var/tmp', '/']")
