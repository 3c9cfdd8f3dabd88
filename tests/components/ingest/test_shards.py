"""Images in shards (Parquet files, tars) are read in the layouts that Hugging Face and WebDataset write."""

import io
import json
import tarfile
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.ingest.config import IngestConfig
from components.ingest.ingest import ingest
from darkroom.images import Images
from darkroom.manifest import read
from darkroom.system.errors import InputError
from tests.layouts import by_path, draw, ingested, lay, picture, table

NAMES = ["cat", "dog"]


def shard(place: Path, numbers: range, labels: list[object], names: tuple[str, ...] = (), several: bool = False, **columns: object) -> Path:
    """A Parquet file as the library `datasets` writes one."""
    kind = pa.list_(pa.int64()) if several else pa.int64()
    images = [{"bytes": picture(number), "path": name or None} for number, name in zip(numbers, names or [""] * len(numbers), strict=True)]
    values = pa.table({
        "image": pa.array(images, pa.struct({"bytes": pa.binary(), "path": pa.string()})),
        "label": pa.array(labels, kind),
        **columns,
    })  # fmt: skip
    label = {"names": NAMES, "_type": "ClassLabel"}
    features = {"image": {"_type": "Image"}, "label": {"feature": label, "_type": "Sequence"} if several else label}
    values = values.replace_schema_metadata({b"huggingface": json.dumps({"info": {"features": features}}).encode()})
    place.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(values, place, row_group_size=2)
    return place


def test_hugging_faces_shards_are_read_with_their_classes_and_splits(tmp_path: Path) -> None:
    data = tmp_path / "pets"
    shard(data / "data/train-00000-of-00002.parquet", range(3), [0, 1, 0])
    shard(data / "data/train-00001-of-00002.parquet", range(3, 5), [1, 1])
    shard(data / "data/test-00000-of-00001-b42a775f407cee45.parquet", range(5, 7), [0, 1])
    (data / "README.md").write_text("# pets")
    manifest = ingested(data)
    train, test = "data/train-0000{}-of-00002.parquet/{}", "data/test-00000-of-00001-b42a775f407cee45.parquet/{}"
    paths = [train.format(0, 0), train.format(0, 1), train.format(0, 2), train.format(1, 0), train.format(1, 1)]
    assert by_path(manifest) == dict(zip([*map(test.format, "01"), *paths], ["cat", "dog", "cat", "dog", "cat", "dog", "dog"], strict=True))
    assert list(by_path(manifest, "given_split").values()) == ["test"] * 2 + ["train"] * 5
    images = Images(tmp_path / "pets-out" / "images")
    assert {images[name] for name in images} == set(map(picture, range(7)))


def test_names_of_images_and_further_columns_of_a_shard_are_kept(tmp_path: Path) -> None:
    names = ("a/x.png", "b/y.png", "c/z.png")
    place = shard(tmp_path / "pets" / "0000.parquet", range(3), [0, 1, -1], names, patient_id=["p", "q", "r"], age=[1, 2, 3])
    manifest = ingested(place)
    assert by_path(manifest) == {"0000.parquet/x.png": "cat", "0000.parquet/y.png": "dog"}  # -1: nobody labelled it
    assert list(by_path(manifest, "group").values()) == ["p", "q"]
    assert list(manifest.column("age")) == [1, 2]


def test_lists_of_class_labels_are_multilabel(tmp_path: Path) -> None:
    place = shard(tmp_path / "pets" / "train.parquet", range(4), [[0], [0, 1], [], [1]], several=True)
    assert list(by_path(ingested(place)).values()) == ["cat", "cat|dog", "", "dog"]


def test_plain_bytes_and_texts_are_read_too(tmp_path: Path) -> None:
    data = tmp_path / "pets"
    data.mkdir()
    pq.write_table(pa.table({"jpg": list(map(picture, range(3))), "kind": ["x", "y", "x"]}), data / "a.parquet")
    assert list(by_path(ingested(data, label_column="kind")).values()) == ["x", "y", "x"]


def test_of_several_columns_of_images_the_one_called_so_is_read(tmp_path: Path) -> None:
    data = tmp_path / "cells"
    data.mkdir()
    drawn = {name: [picture(start + number) for number in range(3)] for start, name in ((10, "mask"), (0, "image"))}
    pq.write_table(pa.table({**drawn, "label": ["a", "b", "a"]}), data / "train.parquet")
    manifest = ingested(data)
    images = Images(tmp_path / "cells-out" / "images")
    assert [images[name] for name in manifest.column("image_id")] == drawn["image"]
    pq.write_table(pa.table({"left": drawn["image"], "right": drawn["mask"], "label": ["a", "b", "a"]}), data / "train.parquet")
    with pytest.raises(InputError, match=r"train.parquet holds images in several columns \(left, right\)"):
        ingested(data)


def test_an_image_without_bytes_is_delivered_and_unreadable(tmp_path: Path) -> None:
    data = tmp_path / "pets"
    data.mkdir()
    pq.write_table(pa.table({"image": [picture(0), b"", picture(2)], "label": ["x", "y", "y"]}), data / "a.parquet")
    manifest = ingested(data)
    assert list(manifest.column("width")) == [5, None, 5]


def test_a_larger_image_than_allowed_is_counted(tmp_path: Path) -> None:
    data = tmp_path / "pets"
    data.mkdir()
    pq.write_table(pa.table({"image": [picture(0), picture(1) + bytes(2**20), picture(2)], "label": ["x", "y", "y"]}), data / "a.parquet")
    measures = ingest(data, tmp_path / "images", tmp_path / "manifest", config=IngestConfig(max_file_mb=1))
    assert measures["num_too_large"] == 1
    assert max(read(tmp_path / "manifest").column("image_bytes")) == len(picture(1)) + 2**20
    assert list(read(tmp_path / "manifest").column("image_id")).count(None) == 1


def test_what_of_parquet_and_beside_it_is_not_read_is_told(tmp_path: Path) -> None:
    place = shard(tmp_path / "pets" / "a.parquet", range(3), [0, 1, 0], ("x.png", "y.png", "z.png"), mask=list(map(picture, range(3))))
    (place.parent / "labels.csv").write_text("file,label\nx.png,ant\ny.png,bee\nz.png,bee\n")
    manifest = ingested(place.parent)
    assert list(by_path(manifest).values()) == ["cat", "dog", "cat"]
    told = "\n".join(note.text for note in manifest.notes)
    assert "are not read: mask" in told
    assert "are not read (labels.csv): ingest.table names one" in told
    assert list(by_path(ingested(place.parent, table="labels.csv")).values()) == ["ant", "bee", "bee"]


def test_parquet_of_more_rows_than_any_data_has_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = shard(tmp_path / "pets" / "a.parquet", range(3), [0, 1, 0])
    monkeypatch.setattr("components.ingest.parquet_table.MAX_VALUES", 8)
    with pytest.raises(InputError, match=r"a\.parquet unpacks to more than a table of labels holds"):
        ingested(place)


def test_a_shard_that_is_cut_off_is_refused(tmp_path: Path) -> None:
    place = shard(tmp_path / "pets" / "a.parquet", range(3), [0, 1, 0])
    place.write_bytes(place.read_bytes()[:-9])
    with pytest.raises(InputError, match=r"a\.parquet is no readable Parquet file"):
        ingested(tmp_path / "pets")


def test_shards_without_labels_serve_pretraining(tmp_path: Path) -> None:
    place = shard(tmp_path / "pets" / "a.parquet", range(3), [0, 1, 0])
    manifest = ingested(place.parent, unlabelled=True)
    assert len(manifest) == 3
    assert manifest.classes == ()


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_imagefolders_metadata_lies_in_each_splits_folder(tmp_path: Path, ending: str) -> None:
    data = tmp_path / "pets"
    for start, split in enumerate(("train", "validation", "test")):
        paths = [f"{number:04d}.png" for number in range(4)]
        draw(data / split, paths, 10 * start)
        rows = [{"file_name": path, "label": NAMES[n % 2], "age": n} for n, path in enumerate(paths)]
        text = (
            table("file_name,label,age", lambda n, p: (p, NAMES[n % 2], n), paths=paths)
            if ending == "csv"
            else "".join(json.dumps(row) + "\n" for row in rows)
        )
        lay(data / split, [], {f"metadata.{ending}": text})
    manifest = ingested(data)
    assert list(by_path(manifest).values()) == NAMES * 6
    assert by_path(manifest, "given_split") == {path: path.partition("/")[0] for path in by_path(manifest)}
    assert list(manifest.column("age")) == [0, 1, 2, 3] * 3


def test_imagefolders_metadata_beside_class_folders_adds_columns(tmp_path: Path) -> None:
    paths = [f"train/{kind}/{number}.png" for kind in NAMES for number in range(2)]
    rows = [{"file_name": path.removeprefix("train/"), "patient": f"p{n}"} for n, path in enumerate(paths)]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    manifest = ingested(lay(tmp_path / "pets", paths, {"train/metadata.jsonl": text}))
    assert list(by_path(manifest).values()) == ["cat", "cat", "dog", "dog"]
    assert list(by_path(manifest, "group").values()) == ["p0", "p1", "p2", "p3"]


def tar(place: Path, members: dict[str, bytes]) -> Path:
    """A tar as WebDataset's writers make it, in the order of the members."""
    place.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(place, "w:gz" if place.suffix == ".gz" else "w") as archive:
        for name, data in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return place


def samples(numbers: range, **others: object) -> dict[str, bytes]:
    """Samples of an image, its class, and what else is said of it by ending."""
    members = {}
    for number in numbers:
        members[f"{number:06d}.png"] = picture(number)
        for ending, said in others.items():
            members[f"{number:06d}.{ending}"] = said(number) if callable(said) else said  # type: ignore[assignment]
    return members


def class_of(number: int) -> bytes:
    return str(number % 2).encode()


@pytest.mark.parametrize("ending", ["tar", "tar.gz"])
def test_webdatasets_shards_of_a_folder_are_read(tmp_path: Path, ending: str) -> None:
    def facts(number: int) -> bytes:
        return json.dumps({"patient": f"p{number // 2}", "age": number, "key": f"{number:06d}", "box": [1, 2]}).encode()

    data = tmp_path / "pets"
    tar(data / f"pets-train-000000.{ending}", samples(range(3), cls=class_of, json=facts))
    tar(data / f"pets-train-000001.{ending}", samples(range(3), cls=class_of, json=facts) | samples(range(3, 5), cls=class_of, json=facts))
    tar(data / f"val/000000.{ending}", samples(range(5, 7), cls=class_of, json=facts))
    manifest = ingested(data)
    assert len(manifest) == 10
    labels = by_path(manifest)
    assert labels[f"pets-train-000000.{ending}/000001.png"] == "1"
    assert labels[f"val/000000.{ending}/000006.png"] == "0"
    assert by_path(manifest, "group")[f"val/000000.{ending}/000006.png"] == "p3"
    assert by_path(manifest, "age")[f"val/000000.{ending}/000006.png"] == 6
    assert list(by_path(manifest, "given_split").values()) == ["train"] * 8 + ["validation"] * 2


def test_the_names_of_webdatasets_shards_say_the_split(tmp_path: Path) -> None:
    data = tmp_path / "pets"
    for start, split in enumerate(("train", "val", "test")):
        tar(data / f"{split}-{0:06d}.tar", samples(range(2 * start, 2 * start + 2), cls=class_of))
    assert list(by_path(ingested(data), "given_split").values()) == ["test", "test", "train", "train", "validation", "validation"]


@pytest.mark.parametrize(
    ("shards", "splits"),
    [
        (("imagenet-train-000000", "imagenet-val-000000"), ["train"] * 2 + ["validation"] * 2),
        (("a/partial-train/0000", "b/partial-test/0000"), ["train"] * 2 + ["test"] * 2),
        (("pets-000000", "pets-000001"), [None] * 4),
        (("public-000000", "public-000001"), [None] * 4),
        (("test-000000", "trainval-000000"), ["test"] * 2 + [None] * 2),
        (("public/train-0", "public/us-0"), ["train"] * 2 + [None] * 2),
    ],
)
def test_the_split_is_known_beside_other_words(tmp_path: Path, shards: tuple[str, str], splits: list[str | None]) -> None:
    for start, name in enumerate(shards):
        tar(tmp_path / "pets" / f"{name}.tar", samples(range(2 * start, 2 * start + 2), cls=class_of))
    assert list(by_path(ingested(tmp_path / "pets"), "given_split").values()) == splits


def test_a_shard_of_an_unclear_split_is_refused_and_may_be_left_out(tmp_path: Path) -> None:
    for start, name in enumerate(("train", "test", "holdout")):
        tar(tmp_path / "pets" / f"{name}-000000.tar", samples(range(2 * start, 2 * start + 2), cls=class_of))
    with pytest.raises(InputError, match=r"has 'holdout-000000.tar' in column 'split'.*rename these shards, or leave them out"):
        ingested(tmp_path / "pets")
    manifest = ingested(tmp_path / "pets", ignore=["holdout-*", "train-000000.tar/000001.png"])
    assert by_path(manifest) == {"test-000000.tar/000002.png": "0", "test-000000.tar/000003.png": "1", "train-000000.tar/000000.png": "0"}


@pytest.mark.parametrize("patient", [False, True])
def test_images_of_one_sample_stay_together(tmp_path: Path, patient: bool) -> None:
    members = {}
    for number in range(4):
        members |= {f"{number}.left.png": picture(number), f"{number}.right.png": picture(9 + number), f"{number}.cls": class_of(number)}
        members |= {f"{number}.json": json.dumps({"patient": f"p{number // 2}"}).encode()} if patient else {}
    groups = list(by_path(ingested(tar(tmp_path / "pets.tar", members)), "group").values())
    assert groups == [f"p{number // 4}" if patient else f"pets.tar/{number // 2}" for number in range(8)]


def test_one_tar_of_webdataset_is_read(tmp_path: Path) -> None:
    words = tar(tmp_path / "pets.tar", samples(range(4), cls=lambda number: b"cat\n" if number % 2 else b"dog\n"))
    assert by_path(ingested(words)) == {f"pets.tar/{n:06d}.png": "cat" if n % 2 else "dog" for n in range(4)}


def test_the_members_of_one_tar_are_not_told_to_be_unread(tmp_path: Path) -> None:
    found = ingested(
        tar(tmp_path / "pets.tar", samples(range(4), cls=lambda number: b"cat" if number % 2 else b"dog", json=lambda _: b"{}"))
    )
    assert not any("not read" in note.text for note in found.notes)


def test_labels_in_webdatasets_json_alone_are_read(tmp_path: Path) -> None:
    def facts(number: int) -> bytes:
        return json.dumps({"labels": ["cat", "dog"][: number % 3]}).encode()

    assert list(by_path(ingested(tar(tmp_path / "pets.tar", samples(range(4), json=facts)))).values()) == ["", "cat", "cat|dog", ""]


def test_a_tar_of_class_folders_with_a_json_beside_each_image_is_none_of_webdatasets(tmp_path: Path) -> None:
    members = {f"{kind}/{n}.{ending}": picture(n + 9 * (kind == "cat")) if ending == "png" else b'{"label": "x"}'
               for kind in NAMES for n in range(2) for ending in ("png", "json")}  # fmt: skip
    assert list(by_path(ingested(tar(tmp_path / "pets.tar", members))).values()) == ["cat", "cat", "dog", "dog"]


def test_a_class_in_a_json_is_none_where_others_have_a_file_of_their_class(tmp_path: Path) -> None:
    members = samples(range(4), cls=class_of, json=b'{"label": 7}')
    del members["000003.cls"]
    assert list(by_path(ingested(tar(tmp_path / "pets.tar", members))).values()) == ["0", "1", "0"]


@pytest.mark.parametrize(
    ("members", "message"),
    [
        (samples(range(3)), "000001.tar in .* has no labels beside its images, as 000000.tar has"),
        (samples(range(3), json=b"["), "000001.tar/000000.json is no JSON object"),
        (samples(range(3), cls=class_of) | {"../x.png": picture(9)}, "leads out of it"),
    ],
)
def test_a_tar_that_does_not_go_with_the_others_is_refused(tmp_path: Path, members: dict[str, bytes], message: str) -> None:
    data = tmp_path / "pets"
    tar(data / "000000.tar", samples(range(3), cls=class_of))
    tar(data / "000001.tar", members)
    with pytest.raises(InputError, match=message):
        ingested(data)


def zipped(place: Path, folder: Path) -> Path:
    with zipfile.ZipFile(place, "w") as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                archive.write(path, path.relative_to(folder))
    return place


@pytest.mark.parametrize("kind", ["parquet", "webdataset"])
def test_shards_in_a_zip_are_refused_with_a_remedy_that_works(tmp_path: Path, kind: str) -> None:
    made = tmp_path / "made"
    made.mkdir()
    if kind == "parquet":
        shard(made / "train-00000-of-00001.parquet", range(4), [0, 1] * 2)
    else:
        tar(made / "train-0000.tar", samples(range(4), cls=class_of))
    says = r"an archive is to be unpacked" if kind == "parquet" else r"unpack it, and name the folder as the data \(tars of WebDataset"
    with pytest.raises(InputError, match=says):
        ingested(zipped(tmp_path / "pets.zip", made))
    with zipfile.ZipFile(tmp_path / "pets.zip") as archive:
        archive.extractall(tmp_path / "unpacked")
    assert len(ingested(tmp_path / "unpacked")) == 4


@pytest.mark.parametrize("folder", ["", "data/"])
def test_hugging_faces_zips_of_splits_are_refused_with_a_remedy_that_works(tmp_path: Path, folder: str) -> None:
    pets = tmp_path / "pets"
    (pets / folder).mkdir(parents=True)
    for place, split in enumerate(("train", "test")):
        made = draw(tmp_path / split, [f"{kind}/{number}.png" for kind in ("cat", "dog") for number in range(3)], 9 * place)
        zipped(pets / f"{folder}{split}.zip", made)
    with pytest.raises(InputError, match=r"test\.zip, .*train\.zip\), which are not unpacked: .*unpack each into a folder of its own name"):
        ingested(pets)
    for path in list(pets.rglob("*.zip")):
        with zipfile.ZipFile(path) as archive:
            archive.extractall(path.with_suffix(""))
        path.unlink()
    assert sorted(ingested(pets).column("given_split")) == ["test"] * 6 + ["train"] * 6
