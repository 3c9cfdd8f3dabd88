"""Kept pixels: found again by images and recipe, checked, and written whole or not at all."""

import errno
import os
import subprocess
import sys
import time
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from darkroom import pixel_store
from darkroom.pixel_store import IDS, KEPT_AS, PIXELS, find, keep, kept_folders, kept_names, key_of
from darkroom.preprocessing.corrections import Corrections
from darkroom.preprocessing.recipe import Recipe
from darkroom.system.errors import InputError

NAMES, RECIPE = ["a" * 64, "b" * 64, "c" * 64], Recipe(2)
VALUES = np.arange(36, dtype=np.uint8).reshape(3, 2, 2, 3)


def kept(root: Path) -> Path:
    found = keep(root, NAMES, RECIPE, lambda pixels: np.copyto(pixels, VALUES))
    assert found
    assert (found.pixels == VALUES).all()
    return found.folder


def test_pixels_are_found_by_their_images_and_recipe(tmp_path: Path) -> None:
    assert find(tmp_path, NAMES, RECIPE) is None
    folder = kept(tmp_path)
    found = find(tmp_path, [NAMES[2], NAMES[0]], RECIPE)
    assert found
    assert (found.pixels[found.rows] == VALUES[[2, 0]]).all()
    assert not found.pixels.flags.writeable
    assert find(tmp_path, [*NAMES, "d" * 64], RECIPE) is None
    assert find(tmp_path, NAMES, Recipe(2, resampling="bicubic")) is None
    assert find(tmp_path, NAMES, Recipe(2, corrections=Corrections(denoise="median"))) is None
    assert (kept_folders(tmp_path), kept_names(folder), folder.parent.name) == ([folder], NAMES, KEPT_AS)
    assert folder.name.startswith(f"{key_of(NAMES)}-")
    assert key_of(NAMES) != key_of(NAMES[::-1])


def test_the_folder_of_a_process_that_was_faster_is_used(tmp_path: Path) -> None:
    faster: list[tuple[Path, int]] = []

    def fill(pixels: pixel_store.Pixels) -> None:
        folder = kept(tmp_path)
        faster.append((folder, (folder / PIXELS).stat().st_ino))
        np.copyto(pixels, VALUES)

    found = keep(tmp_path, NAMES, RECIPE, fill)
    assert found
    assert [(found.folder, (found.folder / PIXELS).stat().st_ino)] == faster
    assert (found.pixels == VALUES).all()
    assert list((tmp_path / KEPT_AS).iterdir()) == [found.folder]


@pytest.mark.slow
def test_processes_may_keep_the_same_images_at_once(tmp_path: Path) -> None:
    code = f"""
import sys, time
from pathlib import Path
from darkroom.pixel_store import keep
from darkroom.preprocessing.recipe import Recipe

def fill(pixels):
    time.sleep(0.001)
    pixels.fill(7)

for _ in range(60):
    found = keep(Path({str(tmp_path)!r}), {NAMES!r}, Recipe(2), fill)
    assert (found.pixels == 7).all()
"""
    processes = [subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True) for _ in range(3)]
    assert [(process.communicate()[1], process.returncode) for process in processes] == [("", 0)] * 3
    assert [path.name for path in (tmp_path / KEPT_AS).iterdir()] == [path.name for path in kept_folders(tmp_path)]
    assert len(kept_folders(tmp_path)) == 1


def test_pixels_of_another_decoder_or_of_changed_code_are_not_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unless(name: str) -> str:
        raise PackageNotFoundError(name)

    with monkeypatch.context() as patch:
        patch.setattr(pixel_store, "version", unless)
        kept(tmp_path)
        assert find(tmp_path, NAMES, RECIPE)
    for what, value in (("version", lambda name: "9" if name == "pydicom" else unless(name)), ("module_version", lambda module: module)):
        with monkeypatch.context() as patch:
            patch.setattr(pixel_store, "version", unless)
            patch.setattr(pixel_store, what, value)
            assert find(tmp_path, NAMES, RECIPE) is None


@pytest.mark.parametrize("damage", ["changed", "shortened", "no pixels", "no table", "table cut"])
def test_damaged_pixels_are_removed_and_it_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str], damage: str) -> None:
    folder = kept(tmp_path)
    data = bytearray((folder / PIXELS).read_bytes())
    if damage == "changed":
        data[17] ^= 1
    (folder / PIXELS).write_bytes(data[:-1] if damage == "shortened" else data)
    if damage == "table cut":
        (folder / IDS).write_bytes((folder / IDS).read_bytes()[:100])
    if damage.startswith("no"):
        (folder / (PIXELS if damage == "no pixels" else IDS)).unlink()
    assert find(tmp_path, NAMES, RECIPE) is None
    if not damage.startswith("no"):  # else another process may just be removing it
        assert (capsys.readouterr().out, folder.exists()) == (f"{folder} is damaged: its images are decoded again\n", False)
    kept(tmp_path)
    assert find(tmp_path, NAMES, RECIPE)


def test_pixels_in_a_folder_of_another_user_are_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = kept(tmp_path)

    def refuse(path: Path) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM), str(path))

    monkeypatch.setattr("os.utime", refuse)
    found = find(tmp_path, NAMES, RECIPE)
    assert found
    assert (found.folder, (found.pixels == VALUES).all()) == (folder, True)


@pytest.mark.parametrize("number", [errno.EACCES, errno.EMFILE, errno.EIO])
def test_pixels_that_the_system_does_not_read_are_not_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    folder = kept(tmp_path)

    def refuse(path: Path) -> None:
        raise OSError(number, os.strerror(number), str(path))

    monkeypatch.setattr(pixel_store, "arrow_source", refuse)
    for use in (find, lambda *what: keep(*what, lambda pixels: None)):
        with pytest.raises((OSError, InputError), match=os.strerror(number)):
            use(tmp_path, NAMES, RECIPE)
    assert sorted(path.name for path in folder.iterdir()) == [IDS, PIXELS]


def test_what_fails_or_has_no_room_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(pixels: pixel_store.Pixels) -> None:
        raise InputError("x.png can't be decoded")

    with pytest.raises(InputError, match=r"x\.png"):
        keep(tmp_path, NAMES, RECIPE, fail)

    def full(descriptor: int, size: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pixel_store, "reserve", full)
    assert keep(tmp_path, NAMES, RECIPE, fail) is None
    assert list((tmp_path / KEPT_AS).iterdir()) == []


@pytest.mark.parametrize(("missing", "is_kept"), [(1, False), (0, True)])
def test_a_gibibyte_of_the_disk_stays_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: int, is_kept: bool) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=VALUES.nbytes + 2**30 - missing))
    assert (keep(tmp_path, NAMES, RECIPE, lambda pixels: None) is not None) == is_kept
    assert len(list((tmp_path / KEPT_AS).iterdir())) == is_kept


def test_folders_that_were_not_used_for_30_days_are_removed_when_another_is_kept(tmp_path: Path) -> None:
    folders = {name: keep(tmp_path, [name], RECIPE, lambda pixels: None) for name in ("old", "used", "recent")}
    for name, days in (("old", 31), ("used", 31), ("recent", 29)):
        found = folders[name]
        assert found
        os.utime(found.folder / IDS, (time.time() - days * 86_400,) * 2)
    assert find(tmp_path, ["used"], RECIPE)
    kept(tmp_path)
    assert [name for name, found in folders.items() if found and found.folder.exists()] == ["used", "recent"]


def test_drafts_of_killed_processes_are_removed_after_a_day(tmp_path: Path) -> None:
    for name, age in (("old", 90_000), ("new", 0)):
        draft = tmp_path / KEPT_AS / f".{name}.part"
        draft.mkdir(parents=True)
        (draft / PIXELS).touch()
        for path in (draft / PIXELS, draft):
            os.utime(path, (path.stat().st_mtime - age,) * 2)
    kept(tmp_path)
    assert [path.name for path in (tmp_path / KEPT_AS).glob(".*")] == [".new.part"]


def test_a_store_that_cant_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / KEPT_AS).touch()
    with pytest.raises(InputError, match=r"the store of vectors at .* can't be written"):
        keep(tmp_path, NAMES, RECIPE, lambda pixels: None)
