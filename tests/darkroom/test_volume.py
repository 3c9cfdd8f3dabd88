"""Images on a volume: folders named by content, and artifacts that point there."""

import json
import os
from pathlib import Path

import pytest

from darkroom.images import Images, ImageWriter
from darkroom.system.errors import InputError
from darkroom.tracking.tags import VOLUME
from darkroom.volume import POINTER


@pytest.fixture
def volume(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "volume"
    folder.mkdir()
    monkeypatch.setenv(VOLUME, str(folder))
    return folder


def write(artifact: Path, *files: bytes) -> Path:
    with ImageWriter(artifact) as writer:
        for data in files:
            writer.add(data)
    return artifact


def test_the_artifact_points_to_a_folder_named_by_content(volume: Path, tmp_path: Path) -> None:
    first = write(tmp_path / "first", b"one", b"two")
    assert [path.name for path in first.iterdir()] == [POINTER]
    (folder,) = (volume / "images").iterdir()
    assert json.loads((first / POINTER).read_text()) == {"folder": f"images/{folder.name}"}
    packed = Images(first)
    assert [packed[name] for name in packed] == [b"one", b"two"]


def test_equal_images_stand_on_the_volume_once_and_others_beside_them(volume: Path, tmp_path: Path) -> None:
    first, again = write(tmp_path / "first", b"one", b"two"), write(tmp_path / "again", b"one", b"two", b"one")
    assert (first / POINTER).read_bytes() == (again / POINTER).read_bytes()
    write(tmp_path / "other", b"one")
    assert len(list((volume / "images").iterdir())) == 2


def test_images_of_a_volume_and_of_an_artifact_are_read_as_one(volume: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    there = write(tmp_path / "there", b"one")
    monkeypatch.delenv(VOLUME)
    here = write(tmp_path / "here", b"two")
    assert (here / "images-00000.arrow").is_file()
    monkeypatch.setenv(VOLUME, str(volume))
    assert len(Images(there, here)) == 2


def test_a_volume_mounted_elsewhere_is_found(volume: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    artifact = write(tmp_path / "artifact", b"one")
    monkeypatch.setenv(VOLUME, str(volume.rename(tmp_path / "elsewhere")))
    assert len(Images(artifact)) == 1


def test_what_is_not_finished_does_not_stay(volume: Path, tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), ImageWriter(tmp_path / "artifact") as writer:
        writer.add(b"one")
        raise ZeroDivisionError
    assert list((volume / "images").iterdir()) == []
    assert not (tmp_path / "artifact").exists()


def test_what_killed_steps_left_a_week_ago_is_removed(volume: Path, tmp_path: Path) -> None:
    for name, age_s in {".old.part": 8 * 86_400, ".young.part": 60}.items():
        left = volume / "images" / name
        left.mkdir(parents=True)
        os.utime(left, (left.stat().st_mtime - age_s,) * 2)
    write(tmp_path / "artifact", b"one")
    assert [path.name for path in (volume / "images").glob(".*")] == [".young.part"]


def test_images_that_can_not_be_found_are_one_sentence(volume: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    artifact = write(tmp_path / "artifact", b"one")
    (folder,) = (volume / "images").iterdir()
    folder.rename(tmp_path / "gone")
    with pytest.raises(InputError, match=r"are gone from the volume at .*: run once without the cache"):
        Images(artifact)
    monkeypatch.delenv(VOLUME)
    with pytest.raises(InputError, match=rf"and none is mounted: say in {VOLUME} where it is"):
        Images(artifact)


def test_a_volume_that_can_not_be_written_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv(VOLUME, str(tmp_path / "file"))
    with pytest.raises(InputError, match=r"the volume at .*file can't be written \(.*\): correct its access rights"):
        ImageWriter(tmp_path / "artifact")
