"""Tables in other files than CSV, and files that look like tables: used, refused with the setting, or no table and said so."""

import bz2
import gzip
import io
import json
import lzma
import pickle
import sqlite3
import zipfile

import numpy as np
import pandas as pd
import pytest

from components.ingest.packed_tables import unpacked
from darkroom.system.errors import InputError
from tests.layouts import SIX, by_path, ingested, labelled, lay, table

KINDS = ("cat", "dog")
CAT_DOG = dict(zip(SIX, KINDS * 3, strict=True))
CSV = labelled(KINDS)
RECORDS = [{"file_name": path, "label": kind} for path, kind in CAT_DOG.items()]
CLASSES = {kind: [path for path in SIX if CAT_DOG[path] == kind] for kind in KINDS}


def zipped(name: str, content: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(name, content)
        archive.writestr("__MACOSX/._x", b"x")
    return file.getvalue()


def sheet(*cells: str) -> bytes:
    return zipped("xl/sharedStrings.xml", "".join(f"<si><t>{cell}</t></si>" for cell in cells).encode())


def damaged_sheet() -> bytes:
    """A sheet whose packed bytes, and nothing of the archive around them, are overwritten."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/sharedStrings.xml", "".join(f"<si><t>{number}</t></si>" for number in range(1000)))
    data = bytearray(file.getvalue())
    data[100:200] = b"\xff" * 100
    return bytes(data)


def lines(records: list[dict[str, str]]) -> str:
    return "".join(json.dumps(record) + "\n" for record in records)


READ = {
    "t.txt": CSV,
    "blanks.txt": CSV.replace(",", " "),
    "aligned.txt": CSV.replace(",", "    "),
    "no header.txt": CSV.partition("\n")[2].replace(",", " "),
    "tabs.txt": CSV.replace(",", "\t"),
    "t.tab": CSV.replace(",", "\t"),
    "T.TXT": CSV.replace(",", ";"),
    "stems.txt": table("", lambda n, p: (f"{n}", KINDS[n % 2])).strip(),
    "t.csv.gz": gzip.compress(CSV.encode()),
    "t.tsv.bz2": bz2.compress(CSV.replace(",", "\t").encode()),
    "t.csv.xz": lzma.compress(CSV.encode()),
    "t.csv.zip": zipped("t.csv", CSV.encode()),
    "t.jsonl.gz": gzip.compress(lines(RECORDS).encode()),
    "t.ndjson": lines(RECORDS),
    "lines.json": lines(RECORDS),
    "records.json": json.dumps(RECORDS),
    "indented.json": "\ufeff" + json.dumps(RECORDS, indent=2),
    "pairs.json": json.dumps({"labels": [[path, kind] for path, kind in CAT_DOG.items()]}),
    "inner.json": json.dumps({"version": 1, "data": RECORDS}),
    "columns.json": json.dumps({"file_name": SIX, "label": list(CAT_DOG.values())}),
    "pandas.json": json.dumps({key: {str(n): row[key] for n, row in enumerate(RECORDS)} for key in RECORDS[0]}),
    "files.json": json.dumps(CAT_DOG),
    "index.json": json.dumps({f"{row['file_name']}x": row | {"regions": [{"x": 1}]} for row in RECORDS}),
    "facts.json": json.dumps({path: {"label": kind, "by": "me"} for path, kind in CAT_DOG.items()}),
    "classes.json": json.dumps(CLASSES),
}


@pytest.mark.parametrize("name", READ)
def test_a_table_of_another_format_is_read(tmp_path, name):
    photos = lay(tmp_path / "photos", SIX, {name: READ[name]})
    manifest = ingested(photos)
    assert by_path(manifest) == CAT_DOG
    assert not any("does not name are left out" in note.text for note in manifest.notes)
    assert by_path(ingested(photos / name)) == CAT_DOG


def test_several_classes_of_a_file_in_json(tmp_path):
    several = {"0.png": "bird|cat"} | {path: kind for path, kind in CAT_DOG.items() if path != "0.png"}
    for name, value in (("a.json", CLASSES | {"bird": ["0.png"]}), ("b.json", {path: kinds.split("|") for path, kinds in several.items()})):
        assert by_path(ingested(lay(tmp_path / name / "photos", SIX, {name: json.dumps(value)}))) == several


def database(paths: list[str]) -> bytes:
    with sqlite3.connect(":memory:") as store:
        store.execute("create table pets (file text, kind text)")
        store.executemany("insert into pets values (?, 'x')", [(path,) for path in paths])
    return store.serialize()


FOLDERS = [f"{kind}/{kind}_{number}.png" for kind in KINDS for number in range(4)]
LISTED = "\n".join(FOLDERS) + "\n"
COCO = {
    "categories": [{"id": 1, "name": "cat"}],
    "annotations": [{"image_id": 1, "bbox": [1, 2, 3, 4]}],
    "images": [{"id": number, "file_name": path} for number, path in enumerate(FOLDERS)],
}
REFUSED = {
    "exclude.txt": LISTED,
    "exclude.csv": "filename\n" + LISTED,
    "exclude.ndjson": lines([{"filename": path} for path in FOLDERS]),
    "exclude.csv.gz": gzip.compress(LISTED.encode()),
    "other.txt": labelled(("x", "y", "z"), "filename,kind", FOLDERS).replace("x\n", "x,1\n"),
    "patients.xlsx": sheet("file", *FOLDERS),
    "patients.ods": zipped("content.xml", "".join(f"<text:p>{path}</text:p>" for path in FOLDERS).encode()),
    "patients.xls": b"\xd0\xcf\x11\xe0" + "\n".join(FOLDERS).encode("utf-16-le"),
    "old.xls": b"\xd0\xcf\x11\xe0" + "\0".join(FOLDERS).encode(),
    "instances.json": json.dumps(COCO),
    "nested.json": json.dumps([{"image": {"file_name": path}, "label": "x"} for path in FOLDERS]),
    "nested.jsonl": "".join(json.dumps({"image": {"name": path}}) + "\n" for path in FOLDERS),
    "train.lst": "".join(f"{number}\t{number % 2}.000000\t{path}\n" for number, path in enumerate(FOLDERS)),
    "pets.yaml": "".join(f"{path}: x\n" for path in FOLDERS),
    "meta/pets.xml": "".join(f'<image id="{number}" name="{path}"/>' for number, path in enumerate(FOLDERS)),
    "pets.pkl": pickle.dumps([(path, "x") for path in FOLDERS]),
    "pets.npy": np.lib.format.magic(1, 0) + np.array(FOLDERS).tobytes(),
    "pets.db": database(FOLDERS),
    "pets.feather": b"ARROW1",
    "broken.json": json.dumps(RECORDS)[:-3].replace('"', '"cat/cat_', 1).replace("0.png", FOLDERS[0]).replace("1.png", FOLDERS[4]),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_table_that_names_files_and_is_not_used_stops_with_the_setting(tmp_path, name):
    photos = lay(tmp_path / "photos", FOLDERS, {name: REFUSED[name]})
    with pytest.raises(InputError) as error:
        ingested(photos)
    assert name in str(error.value)
    assert "ingest.table" in str(error.value)
    assert ingested(photos, table="none").classes == KINDS
    assert ingested(photos, ignore=(name,)).classes == KINDS


@pytest.mark.parametrize(
    ("paths", "table_of_labels", "name", "rows"),
    [
        (SIX, "labels.csv", "bad.txt", SIX[:2]),
        (SIX, "labels.csv", "corrupted.csv", ["filename", *SIX[:2]]),
        (SIX, "labels.csv", "holdout.txt", SIX),
        (FOLDERS, "facts.csv", "holdout.txt", FOLDERS[:2]),
        (SIX, "train.csv", "train_list.txt", SIX[:2]),
    ],
    ids=["bad ones", "with a header", "all of them", "beside facts and class folders", "fewer of a split"],
)
def test_a_list_of_files_beside_a_table_is_not_thrown_away(tmp_path, paths, table_of_labels, name, rows):
    header = "filename,age" if table_of_labels == "facts.csv" else "filename,label"
    texts = {table_of_labels: labelled(KINDS if header.endswith("label") else "123", header, paths), name: "\n".join(rows) + "\n"}
    with pytest.raises(InputError, match=r"several tables of labels \(.*ingest\.table") as error:
        ingested(lay(tmp_path / "photos", paths, texts))
    assert name in str(error.value)


NO_TABLES = {
    "README.txt": "See cat/cat_0.png for a cat.",
    "LICENSE": LISTED,
    "notes.txt": "These pictures were taken in May, in the garden.\nThe best one is cat/cat_0.png, I think.\nThanks to all, and to dogs.\n",
    "one line.txt": "cat/cat_0.png is blurred",
    "k\u00e4se.txt": "Die K\u00e4tzchen, alle\nvon 2019, und die Hunde\n".encode("latin-1"),
    "classes.txt": "cat\ndog\n",
    "labels.txt": "0 cat\n1 dog\n",
    "words.txt": "cat,dog,cat\ndog,cat\n",
    "empty.txt": "",
    "empty.json": "",
    "list.json": "[]",
    "requirements.txt": "numpy==1.0\npandas\n",
    "classes.json": json.dumps({"0": "cat", "1": "dog"}),
    "names.json": json.dumps(["cat", "dog"]),
    "settings.json": json.dumps({"title": "pets", "cover": FOLDERS[0], "sizes": [1, 2], "by": {"name": "me"}}),
    "other coco.json": json.dumps(COCO).replace("cat_", "other_").replace("dog_", "other_"),
    "deep.json": "[" * 100_000,
    "data.yaml": "names: [cat, dog]\nnc: 2\ncover: cat/cat_0.png\n",
    "Annotations/cat_0.xml": "<filename>cat_0.png</filename><name>dog_1.png</name>",
    "labels.mat": b"MATLAB 5.0" + bytes(range(256)),
    "prices.xlsx": sheet("month", "price", "May"),
    "locked.xls": b"\xd0\xcf\x11\xe0" + bytes(range(256)),
    "no zip.xlsx": b"PK\3\4",
    "damaged.xlsx": damaged_sheet(),
    "cat/cat_0.txt": "0 0.5 0.5 0.2 0.3\n",
    "cat/cat_0.png.json": json.dumps(RECORDS),
    "labels/cat_0.txt": "0 0.5 0.5 0.2 0.3\n1 0.5 0.5 0.2 0.3\n",
}


@pytest.mark.parametrize("name", NO_TABLES)
def test_texts_that_are_no_tables_stop_nothing(tmp_path, name):
    text = NO_TABLES[name]
    assert by_path(ingested(lay(tmp_path / "photos", FOLDERS, {name: text}))) == {path: path[:3] for path in FOLDERS}


def test_numbers_of_classes_are_no_names_of_files(tmp_path):
    paths = [f"{kind}/{number}.png" for kind in KINDS for number in range(4)]
    texts = {"classes.json": json.dumps({"0": "Cat", "1": "Dog"}), "classes.csv": "id,name\n0,Cat\n1,Dog\n"}
    assert by_path(ingested(lay(tmp_path / "photos", paths, texts))) == {path: path[:3] for path in paths}
    photos = lay(tmp_path / "table", SIX, {"classes.json": json.dumps({"0": "Cat", "1": "Dog"}), "t.csv": CSV})
    assert by_path(ingested(photos)) == CAT_DOG


def test_texts_that_are_called_as_images_are_not_opened(tmp_path, capsys):
    texts = {f"labels/cat/cat_{number}.txt": "0 1 1 1 1" for number in range(4)} | {"cat/cat_1.json": "{}"}
    photos = lay(tmp_path / "photos", FOLDERS, texts)
    (photos / "cat/cat_2.txt").symlink_to("nowhere")
    assert len(ingested(photos)) == 8
    assert "6 text(s) called as images are not read: cat/cat_1.json" in capsys.readouterr().out


def test_many_texts_are_told_and_not_read(tmp_path, capsys):
    photos = lay(tmp_path / "photos", FOLDERS, {f"{number}.txt": "0.5 0.5\n" for number in range(60)})
    assert len(ingested(photos)) == 8
    assert "60 texts are not read: 0.txt" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["{}.txt", "meta/{}.csv"])
def test_too_many_tables_of_files_stop_with_the_setting(tmp_path, name):
    photos = lay(tmp_path / "photos", FOLDERS, {name.format(number): LISTED for number in range(60)})
    with pytest.raises(InputError, match=r"60 files .*ingest\.ignore.*ingest\.table to none"):
        ingested(photos)
    assert len(ingested(photos, ignore=(name.format("*"),))) == 8


def test_lists_of_the_splits_beside_class_folders(tmp_path):
    train, test = FOLDERS[:3] + FOLDERS[4:7], [FOLDERS[3], FOLDERS[7]]
    for name, texts in {
        "voc": {"train.txt": "\n".join(train), "test.txt": "\n".join(test)},
        "food": {f"meta/{split}.txt": "\n".join(path[:-4] for path in paths) for split, paths in (("train", train), ("test", test))},
        "json": {"splits.json": json.dumps({"train": train, "test": test})},
    }.items():
        manifest = ingested(lay(tmp_path / name / "photos", FOLDERS, texts))
        assert by_path(manifest) == {path: path[:3] for path in FOLDERS}
        assert by_path(manifest, "given_split") == {path: "test" if path in test else "train" for path in FOLDERS}


FOOD = [f"{kind}/{number}" for kind in ("apple_pie", "sushi") for number in (1005649, 134, 2000, 77)]


@pytest.mark.parametrize("form", ["lists", "lists and JSON", "with endings", "beside images/"])
def test_food_101s_lists_are_the_splits_of_the_class_folders(tmp_path, capsys, form):
    splits = {"train": [path for path in FOOD if not path.endswith("77")], "test": [path for path in FOOD if path.endswith("77")]}
    ending, folder = ".jpg" if form == "with endings" else "", "" if form == "beside images/" else "meta/"
    texts = {f"{folder}{split}.txt": "".join(f"{path}{ending}\n" for path in paths) for split, paths in splits.items()}
    texts |= {"meta/classes.txt": "apple_pie\nsushi\n", "meta/labels.txt": "Apple pie\nSushi\n"}
    if form == "lists and JSON":
        classes = {split: {kind: [path for path in paths if path.startswith(kind)] for kind in ("apple_pie", "sushi")}
                   for split, paths in splits.items()}  # fmt: skip
        texts |= {f"meta/{split}.json": json.dumps(files) for split, files in classes.items()}
    manifest = ingested(lay(tmp_path / "food-101", [f"images/{path}.jpg" for path in FOOD], texts))
    assert by_path(manifest) == {f"images/{path}.jpg": path.partition("/")[0] for path in FOOD}
    assert by_path(manifest, "given_split") == {f"images/{path}.jpg": "test" if path in splits["test"] else "train" for path in FOOD}
    told = capsys.readouterr().out
    if form == "lists and JSON":
        assert "meta/train.txt names no other files than meta/train.json, and is not used" in told
    else:
        assert "the folders in images/ are the classes" in told


def test_lists_of_images_without_class_folders_are_told(tmp_path):
    photos = lay(
        tmp_path / "voc", [f"images/{path}" for path in SIX], {"train.txt": "0.png\n1.png\n2.png\n3.png\n", "test.txt": "4.png\n5.png\n"}
    )
    with pytest.raises(InputError, match=r"test\.txt and train\.txt in .*voc lists the files of a split.*add a column label"):
        ingested(photos)


def test_cub_200s_numbered_lists_are_told(tmp_path):
    paths = [f"{kind}/{kind[4:]}_{number}.jpg" for kind in ("001.Albatross", "002.Auklet") for number in range(4)]
    texts = {
        "images.txt": "".join(f"{number} {path}\n" for number, path in enumerate(paths, 1)),
        "image_class_labels.txt": "".join(f"{number} {1 + (number > 4)}\n" for number in range(1, 9)),
        "train_test_split.txt": "".join(f"{number} {number % 2}\n" for number in range(1, 9)),
        "classes.txt": "1 001.Albatross\n2 002.Auklet\n",
    }
    birds = lay(tmp_path / "CUB_200_2011", [f"images/{path}" for path in paths], texts)
    with pytest.raises(
        InputError, match=r"images\.txt .*numbers the images, and image_class_labels\.txt, train_test_split\.txt say.*CUB-200"
    ):
        ingested(birds)
    assert by_path(ingested(birds / "images")) == {path: path.partition("/")[0] for path in paths}


def test_a_list_with_numbers_of_rows_holds_no_labels(tmp_path):
    text = "".join(f"{number} {path}\n" for number, path in enumerate(SIX))
    with pytest.raises(InputError, match=r"images\.txt .*no column.*'number'|images\.txt .*no column"):
        ingested(lay(tmp_path / "photos", SIX, {"images.txt": text}))


def test_a_spreadsheet_is_told_where_it_is_asked_for(tmp_path):
    photos = lay(tmp_path / "photos", SIX, {"t.xlsx": sheet(*SIX)})
    for source, settings in ((photos / "t.xlsx", {}), (photos, {"table": "t.xlsx"}), (photos, {})):
        with pytest.raises(InputError, match=r"t\.xlsx .*spreadsheet.*CSV"):
            ingested(source, **settings)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("t.csv.gz", b"no gzip"),
        ("t.csv.gz", gzip.compress(CSV.encode(), mtime=0)[:-9]),
        ("t.csv.xz", b"\xfd7zXZ\0broken"),
        ("t.csv.bz2", b"BZh9broken"),
        ("t.csv.zip", b"PK\3\4broken"),
        ("t.csv.zip", zipped("a.csv", b"x")[:-30]),
    ],
)
def test_a_packed_table_that_is_damaged_is_told(tmp_path, name, data):
    with pytest.raises(InputError, match=rf"{name} can't be unpacked"):
        ingested(lay(tmp_path / "photos", SIX, {name: data}), table=name)


def test_a_packed_table_does_not_fill_the_memory(monkeypatch):
    monkeypatch.setattr("components.ingest.packed_tables.MAX_BYTES", 1000)
    with pytest.raises(InputError, match=r"t\.csv\.gz unpacks to more"):
        unpacked("t.csv.gz", gzip.compress(b"x" * 1001))
    assert unpacked("t.csv.gz", gzip.compress(b"x" * 1000)) == ("t.csv", b"x" * 1000)


def test_files_and_folders_can_be_left_out(tmp_path, capsys):
    texts = {
        "a.csv": labelled(("x", "z"), paths=FOLDERS),
        "b.csv": labelled(("x", "y"), paths=FOLDERS),
        "meta/c.csv": labelled(("z",), paths=FOLDERS),
    }
    photos = lay(tmp_path / "photos", [*FOLDERS, "masks/0.png"], texts)
    with pytest.raises(InputError, match=r"a\.csv, b\.csv.*ingest\.ignore"):
        ingested(photos)
    manifest = ingested(photos, ignore=("b.csv", "meta/", "./masks", "*.bmp"))
    assert by_path(manifest) == {path: "xz"[number % 2] for number, path in enumerate(FOLDERS)}
    told = capsys.readouterr().out
    assert "'meta/' in ingest.ignore leaves out 1 file(s)" in told
    assert "'*.bmp' in ingest.ignore names nothing that is here" in told
    assert len(ingested(photos, table="none", ignore=("cat/cat_[0-2]*", "masks"))) == 5


@pytest.mark.parametrize("form", ["csv", "parquet", "tables of splits", "absolute"])
def test_rows_of_ignored_files_are_left_out_and_missing_ones_still_stop(tmp_path, capsys, form):
    paths = [f"train/{path}" for path in SIX] + [f"test/{path}" for path in SIX]
    rows = {path: ("odd" if path == "test/0.png" else KINDS[number % 2]) for number, path in enumerate(paths)}
    photos = lay(tmp_path / "photos", paths, {})
    if form == "parquet":
        pd.DataFrame({"file_name": list(rows), "label": pd.Categorical(list(rows.values()))}).to_parquet(photos / "labels.parquet")
    elif form == "tables of splits":
        for split in ("train", "test"):
            (photos / f"{split}.csv").write_text(
                table("path,label", lambda _, path: (path, rows[path]), paths=paths[6 * (split == "test") :][:6])
            )
    else:
        place = "/elsewhere/pets/" if form == "absolute" else ""
        (photos / "labels.csv").write_text(table("path,label", lambda _, path: (place + path, rows[path]), paths=paths))
    manifest = ingested(photos, ignore=["test/[0-3].png"])
    assert by_path(manifest) == {path: kind for path, kind in rows.items() if path.startswith("train/") or path[5] in "45"}
    assert manifest.classes == KINDS
    assert "4 row(s) of" in (told := capsys.readouterr().out) and "name files that ingest.ignore leaves out" in told
    (photos / paths[0]).unlink()
    with pytest.raises(InputError, match=r"names 1 file\(s\) that are not in .*train/0\.png"):
        ingested(photos, ignore=["test/[0-3].png"])


def test_a_missing_image_is_not_taken_for_its_ignored_mask(tmp_path):
    photos = lay(tmp_path / "photos", [f"{folder}/{path}" for folder in ("images", "masks") for path in SIX], {"labels.csv": CSV})
    (photos / "images/3.png").unlink()
    with pytest.raises(InputError, match=r"names 1 file\(s\) that are not in .*3\.png"):
        ingested(photos, ignore=["masks"])


def test_a_table_of_ignored_files_alone_is_refused(tmp_path):
    photos = lay(tmp_path / "photos", SIX, {"labels.csv": CSV})
    with pytest.raises(InputError, match=r"all files that labels\.csv names are left out by ingest\.ignore"):
        ingested(photos, ignore=["*.png"])


def test_a_file_that_may_hold_a_table_is_told(tmp_path, capsys):
    assert len(ingested(lay(tmp_path / "photos", FOLDERS, {"labels.h5": b"\x89HDF"}))) == 8
    assert "labels.h5 may hold a table, but is not read: save it as CSV" in capsys.readouterr().out


def test_archives_that_nobody_unpacked_are_told(tmp_path):
    photos = lay(tmp_path / "photos", (), {"train.zip": zipped("cat/0.png", b"x"), "test.zip": zipped("cat/1.png", b"x")})
    with pytest.raises(InputError, match=r"archives \(test\.zip, train\.zip\).*unpack"):
        ingested(photos)
    with pytest.raises(InputError, match=r"train\.csv names 6 file\(s\).*train\.zip is not unpacked"):
        ingested(lay(tmp_path / "kaggle", (), {"train.zip": zipped("0.png", b"x"), "train.csv": CSV}))
