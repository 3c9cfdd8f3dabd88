"""The command in surroundings that are not its own: in processes, because they are about how one starts."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
START = "from darkroom_command import main; main()"


def start(folder: Path, *words: str, code: str = START, **environment: str) -> subprocess.CompletedProcess[str]:
    """Starts the command as its script does."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_", "PYTHON", "LC_", "LANG"))}
    return subprocess.run(
        [sys.executable, "-c", code, *words],
        cwd=folder,
        env={**inherited, **environment},
        capture_output=True,
        encoding="utf-8",
        errors="strict",
        check=False,
    )


def test_packages_of_the_same_names_are_not_taken_for_its_own(tmp_path: Path) -> None:
    for name in ("components", "pipelines", "darkroom"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise SystemExit('the wrong one')\n", encoding="utf-8")
    path = os.pathsep.join(map(str, (tmp_path, ROOT)))
    done = start(tmp_path, "schedule", "export", PYTHONPATH=path, PYTHONSAFEPATH="1")
    assert (done.returncode, "# Darkroom in" in done.stdout) == (0, True), done.stderr


@pytest.mark.parametrize("locale", ["C", "POSIX"])
def test_names_are_utf_8_whatever_the_locale_and_output_spells_out_what_it_cannot_show(tmp_path: Path, locale: str) -> None:
    (tmp_path / "params.yaml").write_text("register: {name: Größe}\n", encoding="utf-8")
    (tmp_path / "Maße").mkdir()
    done = start(tmp_path, "data", "version", "Maße", LC_ALL=locale, PYTHONUTF8="0", PYTHONCOERCECLOCALE="0")
    assert (done.returncode, done.stderr.startswith("error: the data source Ma\\u00dfe is an empty folder")) == (2, True), done.stderr


def test_child_processes_find_the_same_packages_and_speak_utf_8(tmp_path: Path) -> None:
    code = (
        "import sys, subprocess; import darkroom_command, pipelines.cli\n"
        "child = 'import components, sys; print(components.__file__, sys.stdout.encoding, sys.stdout.errors)'\n"
        "pipelines.cli.main = lambda: subprocess.run([sys.executable, '-c', child])\n"
        "darkroom_command.main()"
    )
    (tmp_path / "components.py").write_text("raise SystemExit('the wrong one')\n", encoding="utf-8")
    done = start(tmp_path, code=code, PYTHONPATH=str(ROOT), PYTHONSAFEPATH="1")
    assert done.stdout.split() == [str(ROOT / "components" / "__init__.py"), "utf-8", "backslashreplace"], done.stderr


def test_a_stream_that_is_closed_leads_nowhere(tmp_path: Path) -> None:
    code = "import os, sys\nfrom darkroom.system.streams import open_streams\nos.close(1)\nsys.stdout = None\nopen_streams()\nprint('x')\n"
    code += "sys.stderr.write(os.readlink('/proc/self/fd/1'))"
    assert start(tmp_path, code=code, PYTHONPATH=str(ROOT)).stderr == os.devnull
