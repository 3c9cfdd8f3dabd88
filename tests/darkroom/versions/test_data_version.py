import hashlib
import os
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
import yaml
from dvc.repo import Repo

from darkroom.system.errors import InputError
from darkroom.versions.data_version import check_source, data_version, difference, recorded_version


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Repo.init(no_scm=True).close()
    for name, text in {"a/one.txt": "1", "a/zwei ä.txt": "2", "b/three.txt": "3"}.items():
        path = tmp_path / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def add(path: str) -> None:
    """Runs `dvc add`, without the seconds that a process of its own needs to import DVC."""
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning), Repo() as repo:
        repo.add(path)


def test_the_version_is_what_dvc_add_writes(repository: Path) -> None:
    add("data")
    recorded = yaml.safe_load((repository / "data.dvc").read_text())["outs"][0]["md5"]
    assert data_version(Path("data")) == recorded == recorded_version(Path("data"))
    assert difference(Path("data"), recorded) == ""


def test_one_changed_byte_is_another_version_and_is_told(repository: Path) -> None:
    add("data")
    before = data_version(Path("data"))
    (repository / "data" / "a" / "one.txt").write_text("!")
    after = data_version(Path("data"))
    assert after != before
    assert difference(Path("data"), after).startswith("data differs from data.dvc (now ")
    assert recorded_version(Path("data")) == before


def test_ignored_files_do_not_count(repository: Path) -> None:
    (repository / ".dvcignore").write_text(".DS_Store\n")
    before = data_version(Path("data"))
    (repository / "data" / "a" / ".DS_Store").write_text("junk")
    assert data_version(Path("data")) == before


def test_a_folder_has_the_same_version_outside_a_repository(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    inside = data_version(repository / "data")
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    code = "import sys; from pathlib import Path; from darkroom.versions import data_version as m; print(m.data_version(Path(sys.argv[1])))"
    words = [sys.executable, "-c", code, str(repository / "data")]
    home = {**os.environ, "XDG_CACHE_HOME": str(elsewhere / "cache")}
    done = subprocess.run(words, cwd=elsewhere, env=home, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == inside
    assert not (elsewhere / "cache").exists()  # it works on a read-only system, too


def test_a_file_is_the_md5_of_its_bytes(repository: Path) -> None:
    (repository / "images.zip").write_bytes(b"zip")
    assert data_version(Path("images.zip")) == hashlib.md5(b"zip").hexdigest()


def test_data_without_a_record_differs_from_nothing(repository: Path) -> None:
    assert recorded_version(Path("data")) == ""
    assert difference(Path("data"), "anything") == ""


def test_nothing_at_the_source_is_the_users_mistake(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"the data source nowhere does not exist: give a folder of images"):
        check_source(Path("nowhere"))
    with pytest.raises(InputError, match=r"is an empty folder"):
        check_source(tmp_path)
