"""Tasks that read a part of the images each: the ingest of all then makes the bytes that it makes alone, and fetches what they have not."""

import os
import shutil
import tarfile
import time
import zipfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from components.ingest.config import IngestConfig
from components.ingest.ingest import ingest
from components.ingest.listing import has_image_suffix
from darkroom import images as packed
from darkroom import volume
from darkroom.file_store import KEPT_AS, PARTS
from darkroom.images import Images
from darkroom.part import parts
from darkroom.system.errors import InputError
from darkroom.tracking.tags import VOLUME
from darkroom.versions import stored_data
from darkroom.versions.data_version import data_version
from tests.darkroom.test_picture_info import photograph
from tests.layouts import picture

ADDRESS = "memory://kept/pets"
NAMES = [f"{kind}/{number}.png" for kind in ("cat", "dog") for number in range(4)]
FILES = {
    **{name: picture(number) for number, name in enumerate(NAMES)},
    "dog/a copy.png": picture(0),
    "cat/photo.jpg": photograph(maker="Acme", taken="2024:05:06 07:08:09"),
    "cat/no suffix": picture(50),
    "cat/damaged.png": picture(60)[:40],
    "dog/empty.png": b"",
    "dog/._0.png": b"junk",
    "cat/scan.heic": b"\0\0\0\x18ftypheic" + bytes(20),
    "dog/notes.md": b"text",
}


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty store in which to keep files, and pictures at an address."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for module in ("darkroom.file_store", "darkroom.versions.stored_data"):
        monkeypatch.setattr(f"{module}.SETTLED_S", -60.0)
    put(FILES)
    return tmp_path / "kept"


@pytest.fixture
def fetched(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files that are fetched, as they are."""
    found: list[str] = []
    plain = stored_data._fetch
    monkeypatch.setattr(stored_data, "_fetch", lambda store, job: found.append(job[0].place.partition("pets/")[2]) or plain(store, job))  # type: ignore[func-returns-value]
    return found


def put(files: dict[str, bytes]) -> None:
    if MemoryFileSystem().exists("/kept"):
        MemoryFileSystem().rm("/kept", recursive=True)
    for path, data in files.items():
        MemoryFileSystem().pipe(f"/kept/pets/{path}", data)


def lay(root: Path, files: dict[str, bytes]) -> Path:
    for path, data in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(data)
    return root


def run(data: Path | str, out: Path, store: Path | None = None, part: str = "", **settings: object) -> dict[str, float]:
    config = IngestConfig.model_validate(settings)
    version = data_version(Path(data))
    return ingest(Path(data), out / "images", out / "manifest", config=config, data_version=version, store=store, part=part)


def written(out: Path) -> list[bytes]:
    """The bytes of what is written, as it is read: of images on a volume those there."""
    return [path.read_bytes() for path in (*sorted(volume.resolve_folder(out / "images").iterdir()), out / "manifest")]


def divided(data: Path | str, out: Path, store: Path, total: int, lost: tuple[int, ...] = (), **settings: object) -> dict[str, float]:
    """Runs all parts but those that are lost, and then the ingest of all."""
    for part in parts(total):
        if part.number not in lost:
            run(data, out / str(part.number), store, str(part), **settings)
            assert len(Images(out / str(part.number) / "images")) == 0
    return run(data, out, store, **settings)


@pytest.mark.parametrize(("total", "lost"), [(1, ()), (3, ()), (3, (2,)), (3, (1, 2, 3)), (40, ())])
def test_the_ingest_of_all_makes_the_bytes_that_it_makes_alone(
    tmp_path: Path, store: Path, fetched: list[str], total: int, lost: tuple[int, ...]
) -> None:
    alone = run(ADDRESS, tmp_path / "alone")
    fetched.clear()
    assert divided(ADDRESS, tmp_path / "divided", store, total, lost) == alone
    assert written(tmp_path / "divided") == written(tmp_path / "alone")
    once = [path for path in FILES if fetched.count(path) == 1]
    assert {*NAMES, "dog/a copy.png", "cat/photo.jpg", "cat/no suffix", "dog/notes.md"} <= {*once}  # no image was fetched twice


def test_the_parts_fetch_each_image_and_the_rest_is_left_to_the_ingest_of_all(tmp_path: Path, store: Path, fetched: list[str]) -> None:
    shares = []
    for part in parts(3):
        run(ADDRESS, tmp_path / str(part.number), store, str(part))
        shares.append(sorted(fetched))
        fetched.clear()
    pictures = sorted(path for path in FILES if has_image_suffix(path))
    assert [path for share in shares for path in share] == pictures
    run(ADDRESS, tmp_path / "all", store)
    assert sorted(fetched) == sorted(["cat/damaged.png", "cat/no suffix", "cat/scan.heic", "dog/._0.png", "dog/empty.png", "dog/notes.md"])


def test_of_more_parts_than_images_some_are_empty(tmp_path: Path, store: Path, fetched: list[str]) -> None:
    put({name: FILES[name] for name in NAMES})
    sizes = [run(ADDRESS, tmp_path / str(part.number), store, str(part))["num_files"] for part in parts(12)]
    assert sorted(sizes) == [0] * 4 + [1] * 8
    assert sorted(fetched) == NAMES


def test_a_part_that_is_tried_again_fetches_nothing_that_it_has_kept(tmp_path: Path, store: Path, fetched: list[str]) -> None:
    put({name: FILES[name] for name in NAMES})
    for _ in range(2):
        assert run(ADDRESS, tmp_path / "part", store, "1/2")["num_files"] == 4
        assert sorted(fetched) == NAMES[:4]
    assert len(list((store / KEPT_AS / PARTS).iterdir())) == 1


def test_a_part_that_is_killed_leaves_nothing_that_counts(tmp_path: Path, store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(ADDRESS, tmp_path / "alone")

    def die(*given: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(packed.ImageWriter, "_flush", die)
    with pytest.raises(KeyboardInterrupt):
        run(ADDRESS, tmp_path / "part", store, "1/2")
    monkeypatch.undo()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    run(ADDRESS, tmp_path / "all", store)
    assert written(tmp_path / "all") == written(tmp_path / "alone")


def test_kept_bytes_that_are_damaged_are_fetched_again(tmp_path: Path, store: Path) -> None:
    run(ADDRESS, tmp_path / "alone")
    for part in parts(2):
        run(ADDRESS, tmp_path / str(part.number), store, str(part))
    for shard in (store / KEPT_AS / PARTS).rglob("*.arrow"):
        shard.write_bytes(shard.read_bytes().replace(picture(1), bytes(len(picture(1)))))
    run(ADDRESS, tmp_path / "all", store)
    assert written(tmp_path / "all") == written(tmp_path / "alone")


def test_a_changed_file_is_fetched_and_a_grown_folder_costs_what_is_new(tmp_path: Path, store: Path, fetched: list[str]) -> None:
    plain = {name: FILES[name] for name in NAMES}
    put(plain)
    run(ADDRESS, tmp_path / "first", store)
    fetched.clear()
    MemoryFileSystem().pipe(f"/kept/pets/{NAMES[2]}", picture(70))
    MemoryFileSystem().pipe("/kept/pets/dog/new.png", picture(71))
    run(ADDRESS, tmp_path / "second", store)
    assert sorted(fetched) == [NAMES[2], "dog/new.png"]
    run(ADDRESS, tmp_path / "alone")
    assert written(tmp_path / "second") == written(tmp_path / "alone")


def test_a_file_that_may_change_unseen_is_fetched_again(
    tmp_path: Path, store: Path, fetched: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("darkroom.versions.stored_data.SETTLED_S", 120.0)
    put({name: FILES[name] for name in NAMES})
    for name in NAMES[1:]:
        MemoryFileSystem.store[f"/kept/pets/{name}"].created -= timedelta(days=1)
    run(ADDRESS, tmp_path / "first", store)
    fetched.clear()
    now = MemoryFileSystem.store[f"/kept/pets/{NAMES[0]}"]
    MemoryFileSystem().pipe(f"/kept/pets/{NAMES[0]}", (picture(70) + bytes(999))[: now.size])
    MemoryFileSystem.store[f"/kept/pets/{NAMES[0]}"].created = now.created  # within one tick of the store's clock
    run(ADDRESS, tmp_path / "second", store)
    assert fetched == NAMES[:1]
    run(ADDRESS, tmp_path / "alone")
    assert written(tmp_path / "second") == written(tmp_path / "alone")


def test_a_part_says_how_many_images_it_has_kept(tmp_path: Path, store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for out in ("first", "second"):
        run(ADDRESS, tmp_path / out, store, "1/1")
    said = [line for line in capsys.readouterr().out.splitlines() if line.startswith("part")]
    pictures = sum(map(has_image_suffix, FILES))
    assert said == [
        f"part 1/1: kept 10 of {pictures - 1} images now, 0 were kept already",
        f"part 1/1: kept 0 of {pictures - 1} images now, 10 were kept already",
    ]


def test_a_part_of_files_that_have_just_been_written_reads_and_keeps_nothing(
    tmp_path: Path, store: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("darkroom.file_store.SETTLED_S", 60.0)
    run(lay(tmp_path / "data", {name: FILES[name] for name in NAMES}), tmp_path / "part", store, "1/1")
    assert "kept 0 of 8 images now, 0 were kept already" in capsys.readouterr().out
    assert list((store / KEPT_AS / PARTS).iterdir()) == []


def test_a_file_above_a_lower_limit_of_size_is_not_taken_from_the_store(tmp_path: Path, store: Path) -> None:
    put({**FILES, "cat/large.png": picture(9) + bytes(2**20)})
    run(ADDRESS, tmp_path / "large", store)
    measures = run(ADDRESS, tmp_path / "small", store, max_file_mb=1)
    assert measures["num_too_large"] == 1
    assert measures == run(ADDRESS, tmp_path / "alone", max_file_mb=1)
    assert written(tmp_path / "small") == written(tmp_path / "alone")


def labelled(root: Path) -> Path:
    rows = "".join(f"{name.rpartition('/')[2]},{name[:3]}\n" for name in NAMES[:4])
    return lay(root, {"labels.csv": b"filename,label\n" + rows.encode() + b"extra.png,dog\n", "extra.png": picture(40)} | {
        name.rpartition("/")[2]: FILES[name] for name in NAMES[:4]
    })  # fmt: skip


def zipped(root: Path) -> Path:
    root.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(root.with_suffix(".zip"), "w") as archive:
        for name in NAMES:
            archive.writestr(name, FILES[name])
    return root.with_suffix(".zip")


def tarred(root: Path) -> Path:
    lay(root, {name: FILES[name] for name in NAMES})
    with tarfile.open(root.with_suffix(".tar.gz"), "w:gz") as archive:
        archive.add(root, "pets")
    return root.with_suffix(".tar.gz")


def parquet(root: Path) -> Path:
    root.mkdir(parents=True)
    rows = {"image": [{"bytes": FILES[name], "path": None} for name in NAMES], "label": [name[:3] for name in NAMES]}
    pq.write_table(pa.table(rows), root / "train.parquet")
    return root


@pytest.mark.parametrize(
    ("made", "is_divided"),
    [
        pytest.param(labelled, True, id="table"),
        pytest.param(lambda root: labelled(root) / "labels.csv", True, id="beside a table"),
        pytest.param(zipped, False, id="zip"),
        pytest.param(tarred, False, id="tar.gz"),
        pytest.param(parquet, False, id="parquet"),
    ],
)
@pytest.mark.parametrize("lost", [(), (2,)], ids=["all", "one lost"])
def test_other_sources_give_the_same_bytes_and_what_can_not_be_divided_is_said(
    tmp_path: Path, store: Path, capsys: pytest.CaptureFixture[str], made: Callable[[Path], Path], is_divided: bool, lost: tuple[int, ...]
) -> None:
    data = made(tmp_path / "data")
    alone = run(data, tmp_path / "alone")
    assert divided(data, tmp_path / "divided", store, 3, lost) == alone
    assert written(tmp_path / "divided") == written(tmp_path / "alone")
    kept = sum(len(Images(folder)) for folder in (store / KEPT_AS / PARTS).iterdir())
    assert (kept > 0) == is_divided
    assert ("is not divided" in capsys.readouterr().out) == (data.suffix in (".zip", ".gz"))


def test_on_a_volume_the_images_of_a_run_are_found_by_the_next(
    tmp_path: Path, store: Path, monkeypatch: pytest.MonkeyPatch, fetched: list[str]
) -> None:
    monkeypatch.setenv(VOLUME, str(tmp_path / "volume"))
    put({name: FILES[name] for name in NAMES})
    divided(ADDRESS, tmp_path / "first", store, 2)
    assert sorted(fetched) == NAMES
    shutil.rmtree(store / KEPT_AS / PARTS)
    run(ADDRESS, tmp_path / "second", store)
    assert sorted(fetched) == NAMES
    assert written(tmp_path / "first") == written(tmp_path / "second")


def test_a_part_stays_for_a_week(tmp_path: Path, store: Path) -> None:
    run(ADDRESS, tmp_path / "part", store, "1/2")
    (folder,) = (store / KEPT_AS / PARTS).iterdir()
    left = folder.with_name(f".{folder.name}.1.part")
    shutil.copytree(folder, left)
    for days, stays in ((6, True), (8, False)):
        for path in (folder, left):
            os.utime(path, (time.time() - days * 86_400,) * 2)
        run(ADDRESS, tmp_path / "other", store, "2/2")
        assert [folder.exists(), left.exists()] == [stays, stays]


def test_a_part_without_a_store_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"part 1/2 of the images is done for a store, and there is none: name its folder in DARKROOM_VECTORS"
    ):
        run(ADDRESS, tmp_path / "part", None, "1/2")
