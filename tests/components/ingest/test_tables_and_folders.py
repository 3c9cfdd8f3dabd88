"""Tables beside folders of classes, splits and patients, and Parquet: read as they were meant, or refused with the setting that decides."""

import gzip

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from darkroom.system.errors import InputError
from tests.layouts import SIX, by_path, draw, ingested, labelled, lay, picture, table

KINDS = ("cat", "dog")
CAT_DOG = dict(zip(SIX, KINDS * 3, strict=True))
ORDER = [3, 0, 5, 1, 4, 2]
ONE_HOT = [(1, 0), (0, 1)]
LISTS = {path: ("cat", "cat|dog", "bird|dog")[n % 3] for n, path in enumerate(SIX)}

PARQUET = {
    "numbers with gaps are no texts": (
        {"image": SIX, "label": [1.0, 2.0, None, 1.0, 2.0, 1.0]},
        dict(zip(SIX[:2] + SIX[3:], "12121", strict=True)),
    ),
    "texts like numbers": (
        {"image": SIX, "label": ["1.0", "2", "nan", "1", "2.0", "1"]},
        dict(zip(SIX[:2] + SIX[3:], "12121", strict=True)),
    ),
    "real lists": ({"image": SIX, "label": [["cat"], ["cat", "dog"], ["dog", "bird"]] * 2}, LISTS),
    "true and false with row numbers": (
        {"Unnamed: 0": ORDER, "file": SIX, "x": [True, False] * 3, "y": [True, True] * 3},
        {path: ("x|y", "y")[n % 2] for n, path in enumerate(SIX)},
    ),
    "half floats": ({"image": SIX, "label": pa.array(np.array([1, 2, 1, 2, 1, 2], np.float16))}, dict(zip(SIX, "121212", strict=True))),
    "empty rows": ({"image": [*SIX, None], "label": [*CAT_DOG.values(), None]}, CAT_DOG),
    "an index that names the files": ({"label": list(CAT_DOG.values()), "__index_level_0__": list(range(6))}, CAT_DOG),
}


@pytest.mark.parametrize(("columns", "labels"), PARQUET.values(), ids=PARQUET)
def test_parquet_says_what_csv_says(tmp_path, columns, labels):
    photos = draw(tmp_path / "photos", SIX)
    pq.write_table(pa.table(columns), photos / "t.parquet")
    assert by_path(ingested(photos)) == labels


@pytest.mark.parametrize("nested", [True, False], ids=["struct", "binary"])
@pytest.mark.parametrize("path", ["t.parquet", "data/train-00000-of-00001.parquet"])
def test_parquet_with_images_inside_beside_files_of_images_is_told_in_one_sentence(tmp_path, nested, path):
    cells = [{"bytes": picture(n), "path": f"{n}.png"} if nested else picture(n) for n in range(6)]
    draw(tmp_path / "photos", ["other.png"])
    (tmp_path / "photos" / path).parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({"image": cells, "label": [0, 1] * 3}), tmp_path / "photos" / path)
    with pytest.raises(InputError) as error:
        ingested(tmp_path / "photos")
    assert "'image'" in str(error.value)
    assert "PNG" not in str(error.value)
    assert len(str(error.value)) < 300


FOLDERS = [f"{kind}/{number}.png" for kind in KINDS for number in range(4)]
TRAIN_TEST = [f"{split}/{number}.png" for split in ("train", "test") for number in range(4)]
FOUR = [f"{number}.png" for number in range(4)]
GIVEN = {path: path.partition("/")[0] for path in TRAIN_TEST}


@pytest.mark.parametrize(
    "texts",
    [
        {f"{split}/metadata.csv": labelled(KINDS, "file_name,label", FOUR) for split in ("train", "test")},
        {
            f"{split}/metadata.jsonl": "".join(f'{{"file_name":"{n}.png","label":"{KINDS[n % 2]}"}}\n' for n in range(4))
            for split in ("train", "test")
        },
        {
            f"{split}/_classes.csv": table("filename, cat, dog", lambda n, p: (p, *ONE_HOT[n % 2]), paths=FOUR)
            for split in ("train", "test")
        },
        {f"{split}.csv": labelled(KINDS, paths=FOUR) for split in ("train", "test")},
        {f"{split}_labels.csv": labelled(KINDS, paths=[f"{split}/{path}" for path in FOUR]) for split in ("train", "test")},
        {"labels.csv": labelled(KINDS, paths=TRAIN_TEST)},
    ],
    ids=["metadata.csv", "metadata.jsonl", "_classes.csv", "a table a split", "a table of labels a split", "one table"],
)
def test_tables_of_splits_give_labels_and_splits(tmp_path, texts):
    manifest = ingested(lay(tmp_path / "photos", TRAIN_TEST, texts))
    assert by_path(manifest) == {path: KINDS[number % 2] for number, path in enumerate(TRAIN_TEST)}
    assert by_path(manifest, "given_split") == GIVEN


def test_tables_of_splits_with_pictures_in_one_folder(tmp_path):
    texts = {"train.csv": labelled(KINDS, paths=SIX[:3]), "val.csv": labelled(KINDS, paths=SIX[3:])}
    manifest = ingested(lay(tmp_path / "photos", [f"images/{path}" for path in SIX], texts))
    assert manifest.column("given_split") == ["train"] * 3 + ["validation"] * 3


def test_a_table_of_the_training_images_alone_gives_no_split(tmp_path, capsys):
    manifest = ingested(lay(tmp_path / "photos", TRAIN_TEST, {"train/metadata.csv": labelled(KINDS, "file_name,label", FOUR)}))
    assert (len(manifest), set(manifest.column("given_split"))) == (4, {None})
    assert "4 image(s) that train/metadata.csv does not name are left out: test/0.png" in capsys.readouterr().out


def test_a_table_of_patients_beside_class_folders_gives_groups(tmp_path, capsys):
    text = table("filename,patient_id,age", lambda n, p: (p, f"p{n // 2}", 30 + n), paths=FOLDERS)
    texts = {"meta/patients.csv": text, "cat/notes.txt": "hello"}
    photos, same = (lay(tmp_path / name, [*FOLDERS, "cat/more.png"], texts) for name in ("photos", "same"))
    manifest = ingested(photos)
    out = capsys.readouterr().out
    assert by_path(manifest) == {path: path.partition("/")[0] for path in [*FOLDERS, "cat/more.png"]}
    assert by_path(manifest, "group") == {path: f"p{n // 2}" for n, path in enumerate(FOLDERS)} | {"cat/more.png": None}
    assert by_path(manifest, "age") == {path: 30 + n for n, path in enumerate(FOLDERS)} | {"cat/more.png": None}
    assert "labels from the class folders, groups ('patient_id')" in out.splitlines()[0]
    assert "1 file(s) are not named by meta/patients.csv: cat/more.png" in out
    ingested(same)
    assert (tmp_path / "same-out/manifest.parquet").read_bytes() == (tmp_path / "photos-out/manifest.parquet").read_bytes()


def test_folders_of_patients_beside_a_table_are_no_classes(tmp_path):
    paths = [f"p{number}/{kind}.png" for number in range(4) for kind in "ab"]
    photos = lay(tmp_path / "photos", paths, {"t.csv": table("filename,patient,outcome", lambda n, p: (p, p[:2], n % 3), paths=paths)})
    with pytest.raises(InputError, match=r"t\.csv .*outcome.*ingest\.label_column"):
        ingested(photos)
    assert ingested(photos, label_column="outcome").classes == ("0", "1", "2")
    assert ingested(photos, label_column="none").classes == ("p0", "p1", "p2", "p3")
    (photos / "t.csv").write_text(table("filename,patient", lambda n, p: (p, p[:2]), paths=paths))
    with pytest.raises(InputError, match=r"'patient'.*ingest\.label_column"):
        ingested(photos)
    assert ingested(photos, table="none").classes == ("p0", "p1", "p2", "p3")


def test_a_table_about_folders_is_told(tmp_path):
    paths = [f"p{number}/{kind}.png" for number in range(4) for kind in "ab"]
    photos = lay(tmp_path / "photos", paths, {"t.csv": "patient_id,diagnosis\np0,sick\np1,healthy\np2,sick\n"})
    with pytest.raises(InputError, match=r"t\.csv says something about folders .*'patient_id'.*ingest\.table"):
        ingested(photos)


def test_a_table_without_labels_in_folders_of_splits_is_no_reason_to_take_these_for_classes(tmp_path):
    texts = {
        f"{split}/metadata.csv": table("file_name,text,by", lambda n, p: (p, f"picture {n}", "me"), paths=FOUR)
        for split in ("train", "test")
    }
    photos = lay(tmp_path / "photos", TRAIN_TEST, texts)
    with pytest.raises(InputError, match="no column that is known to hold labels"):
        ingested(photos)


def test_labels_of_a_table_go_before_folders_unless_they_contradict_them(tmp_path):
    photos = lay(tmp_path / "photos", FOLDERS, {"t.csv": labelled(("x", "y"), paths=FOLDERS)})
    assert ingested(photos).classes == ("x", "y")
    (photos / "t.csv").write_text(labelled(("cat", "cat", "cat", "dog"), paths=FOLDERS))
    with pytest.raises(InputError, match=r"cat/3\.png.*ingest\.table"):
        ingested(photos)
    assert by_path(ingested(photos, table="t.csv"))["cat/3.png"] == "dog"
    assert by_path(ingested(photos, table="none"))["cat/3.png"] == "cat"


def test_a_broken_table_that_names_files_beside_class_folders_is_told(tmp_path):
    photos = lay(tmp_path / "photos", FOLDERS, {"t.csv": "filename,label\ncat/0.png,x,y\n"})
    with pytest.raises(InputError, match=r"t\.csv has 3 cells.*ingest\.table to none"):
        ingested(photos)
    (photos / "t.csv").write_text("some,text\nwithout,a,name\n")
    assert ingested(photos).classes == KINDS


def test_verdicts_and_tables_of_other_things_are_no_tables_of_labels(tmp_path, capsys):
    texts = {"verdicts.csv": labelled(("x", "y"), paths=FOLDERS), "classes.csv": "id,name\n0,cat\n1,dog\n", "notes.xlsx": b"PK"}
    assert ingested(lay(tmp_path / "photos", FOLDERS, texts)).classes == KINDS
    out = capsys.readouterr().out
    assert "1 table(s) name other things than files here, and are not used: classes.csv" in out
    assert "notes.xlsx may hold a table, but is not read: save it as CSV" in out


@pytest.mark.parametrize("bare", [FOLDERS, FOLDERS[:2]])
def test_pictures_are_counted_by_class_whatever_their_suffixes_are(tmp_path, capsys, bare):
    paths, texts = [path.removesuffix(".png") if path in bare else path for path in FOLDERS], {f"{FOLDERS[0]}_notes": "no picture"}
    ingested(lay(tmp_path / "photos", paths, texts))
    out = capsys.readouterr().out
    assert f"{len(KINDS)} classes in {len(FOLDERS)} files: " in out and f"\n{len(FOLDERS)} files, " in out


def test_the_first_lines_say_how_the_data_was_read(tmp_path, capsys):
    text = table("fname,label,patient,split", lambda n, p: (p, KINDS[n % 3 > 1], n // 3, ("train", "test")[n // 3]))
    ingested(lay(tmp_path / "photos", SIX, {"labels.csv": text}))
    assert capsys.readouterr().out.splitlines()[:4] == [
        "labels from labels.csv: column 'fname' names the files, 'label' holds their labels, 'split' their split, 'patient' their group",
        "2 classes in 6 files: cat: 4, dog: 2",
        "given splits: test 3, train 3",
        "2 groups stay together",
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (labelled(KINDS).partition("\n")[2], "t.csv has no header: its first row, '0.png, cat'"),
        (labelled(("cat", "cat dog", "dog"), "filename,labels"), "column 'labels' of t.csv are joined by ' ', as in 'cat dog'"),
        (labelled(("tabby cat", "great dane")), "each cell of column 'label' of t.csv is one label, as 'great dane'"),
        (labelled(("cat", "nan", "dog")), "2 cell(s) of column 'label' (nan) are read as empty"),
        (labelled(KINDS) + ",\n,\n", "2 empty row(s) of t.csv are no rows"),
        (table("id,fname,label", lambda n, p: (ORDER[n], p, KINDS[n % 2])), "'id' of t.csv could name files as well"),
        (table("filename,cat,dog,difficult", lambda n, p: (p, *ONE_HOT[n % 2], n // 3)), "'difficult' of t.csv is no label"),
        (table("filename,x,y", lambda n, p: (p, "1", ("1", "")[n % 2])), "t.csv has no 0 in its columns of labels"),
        (table("filename,kind", lambda n, p: (p, KINDS[n % 2])), "'kind', the only other column of t.csv, is taken for the labels"),
    ],
)
def test_what_was_decided_is_said(tmp_path, capsys, text, said):
    ingested(lay(tmp_path / "photos", SIX, {"t.csv": text}))
    assert said in capsys.readouterr().out


CLASSES = [f"{kind}/{kind}{number}.png" for kind in KINDS for number in range(4)]
FLAT = [f"p{number}.png" for number in range(8)]
PLACES = {"flat": FLAT, "folders": CLASSES}


def ids(paths, labels=KINDS):
    """A table of names without folders and endings, and labels in turn."""
    return table("id,label", lambda n, p: (p.rpartition("/")[2][:-4], labels[n % len(labels)]), paths=paths)


@pytest.mark.parametrize("paths", PLACES.values(), ids=PLACES)
def test_a_table_of_labels_does_not_lose_to_one_without(tmp_path, paths):
    texts = {"labels.csv": ids(paths), "exif.csv": table("SourceFile,Make", lambda n, p: (p, "AB"[n % 3 > 0]), paths=paths)}
    photos = lay(tmp_path / "photos", paths, texts)
    with pytest.raises(InputError, match=r"exif\.csv.*labels\.csv.*ingest\.table"):
        ingested(photos)
    assert ingested(photos, table="labels.csv").classes == KINDS


@pytest.mark.parametrize(("num_train", "num_test"), [(8, 3), (3, 8)])
@pytest.mark.parametrize("name", ["sample_submission.csv", "sampleSubmission.csv", "Submission.csv", "submission_format.csv"])
def test_a_sample_of_a_submission_is_no_table_of_labels(tmp_path, num_train, num_test, name, capsys):
    train, test = [f"train/a{n}.png" for n in range(num_train)], [f"test/b{n}.png" for n in range(num_test)]
    photos = lay(tmp_path / "photos", [*train, *test], {"train.csv": ids(train), name: ids(test, ("cat",))})
    assert len(ingested(photos)) == num_train
    told = capsys.readouterr().out
    assert f"{num_test} image(s) that train.csv does not name are left out" in told
    assert f"not read: {name}" in told


@pytest.mark.parametrize("header", ["filename,label", "filename,patient_id"])
def test_a_table_whose_names_have_another_ending_is_told(tmp_path, header):
    text = table(header, lambda n, p: (p.replace("png", "jpg").rpartition("/")[2], KINDS[n // 4]), paths=CLASSES)
    photos = lay(tmp_path / "photos", CLASSES, {"t.csv": text})
    with pytest.raises(InputError, match=r"t\.csv names 8 file.*another ending.*ingest\.table"):
        ingested(photos)
    assert ingested(photos, table="none").classes == KINDS


def test_a_table_whose_names_are_in_other_folders_is_told(tmp_path):
    text = table("filename,label", lambda n, p: (f"pictures/{p.rpartition('/')[2]}", KINDS[n // 4]), paths=CLASSES)
    with pytest.raises(InputError, match=r"t\.csv names 8 file.*\(files of these names are in other folders\)"):
        ingested(lay(tmp_path / "photos", CLASSES, {"t.csv": text}))


def test_leading_zeros_are_told(tmp_path):
    photos = lay(
        tmp_path / "photos", [f"000{n}.png" for n in range(4)], {"t.csv": table("image_id,label", lambda n, p: (f"{n}.jpg", n % 2))}
    )
    with pytest.raises(InputError, match=r"t\.csv .*leading zeros"):
        ingested(photos)


@pytest.mark.parametrize("setting", ["path_column", "label_column", "group_column", "split_column"])
@pytest.mark.parametrize("tables", ["", "none"])
def test_a_column_that_no_table_can_hold_is_told(tmp_path, setting, tables):
    with pytest.raises(InputError, match=rf"ingest\.{setting} \(owner\)"):
        ingested(draw(tmp_path / "photos", CLASSES), table=tables, **{setting: "owner"})


def test_a_list_of_files_that_says_nothing_else_is_told(tmp_path):
    photos = lay(tmp_path / "photos", CLASSES, {"test.csv": table("filename", lambda n, p: (p,), paths=CLASSES[:3])})
    with pytest.raises(InputError, match=r"test\.csv .*ingest\.table"):
        ingested(photos)
    assert ingested(photos, table="none").classes == KINDS


@pytest.mark.parametrize(
    "text",
    [
        ids(CLASSES).replace("id,label", "id,owner").replace("cat\n", "k\xe4t\n").encode("latin-1"),
        ids(CLASSES).replace("cat\n", "cat,x\n", 1).encode(),
        ids(CLASSES).replace("id,label", "id,id").encode(),
    ],
    ids=["Latin-1", "a cell too many", "a column twice"],
)
def test_a_broken_table_of_names_without_endings_is_told(tmp_path, text):
    photos = lay(tmp_path / "photos", CLASSES, {"t.csv": text})
    with pytest.raises(InputError, match=r"t\.csv .*ingest\.table to none"):
        ingested(photos)
    assert ingested(photos, table="none").classes == KINDS


def test_the_first_rows_do_not_decide_whether_a_table_names_files(tmp_path):
    rows = [*(f"gone{n}" for n in range(250)), *(f"p{n}" for n in range(300))]
    photos = draw(tmp_path / "photos", [f"p{n}.png" for n in range(300)])
    (photos / "t.csv").write_text(table("key,label", lambda n, p: (p, KINDS[n % 2]), paths=rows))
    assert len(ingested(photos, missing_files="drop")) == 300
    with pytest.raises(InputError, match=r"t\.csv names 250 file"):
        ingested(photos)


def test_a_table_of_a_training_beside_class_folders_can_be_left_out(tmp_path):
    text = table("epoch,loss,acc", lambda n, p: (n, n / 7, n / 9), paths=SIX[:2])
    photos = lay(tmp_path / "photos", ["a/0.png", "b/0.png"], {"train.csv": text})
    with pytest.raises(InputError, match=r"train\.csv .*ingest\.table to none"):
        ingested(photos)
    assert ingested(photos, table="none").classes == ("a", "b")


def test_a_table_may_be_named_from_the_current_folder(tmp_path):
    photos = lay(tmp_path / "photos", SIX, {"t.csv": labelled(KINDS)})
    assert by_path(ingested(photos, table="./t.csv")) == CAT_DOG


def test_empty_first_cells_do_not_hide_a_column_of_splits(tmp_path):
    said = ["nan", "", "train", "test", "train", "test"]
    photos = lay(tmp_path / "photos", SIX, {"t.csv": table("filename,label,use", lambda n, p: (p, KINDS[n % 2], said[n]))})
    assert ingested(photos).column("given_split") == [None, None, *said[2:]]


SIGNS = [f"Train/{sign}/{number}.png" for sign in (20, 7) for number in range(3)] + [f"Test/{number:05d}.png" for number in range(3)]


def signs(paths):
    return table("Width,ClassId,Path", lambda n, p: (30 + n, p.split("/")[1] if "Train" in p else (20, 7)[n % 2], p), paths=paths)


def test_two_tables_of_splits_with_paths_beside_folders(tmp_path):
    photos = lay(tmp_path / "photos", SIGNS, {"Train.csv": signs(SIGNS[:6]), "Test.csv": signs(SIGNS[6:])})
    manifest = ingested(photos)
    assert by_path(manifest) == dict(zip(SIGNS, ["20", "20", "20", "7", "7", "7", "20", "7", "20"], strict=True))
    assert by_path(manifest, "given_split") == {path: path.split("/")[0].lower() for path in SIGNS}
    lay(photos, ["Meta/0.png", "Meta/1.png"], {"Meta.csv": "Path,ClassId\nMeta/0.png,7\nMeta/1.png,20\n"})
    with pytest.raises(InputError, match=r"Meta\.csv.*ingest\.ignore"):
        ingested(photos)
    assert by_path(ingested(photos, ignore=("Meta", "Meta.csv"))) == by_path(manifest)


@pytest.mark.parametrize("classes", [False, True])
def test_a_column_of_splits_that_contradicts_the_folders_is_refused(tmp_path, classes):
    paths = [f"{split}/{KINDS[n % 2]}/{n}.png" if classes else f"{split}/{n}.png" for split in ("train", "test") for n in range(4)]
    said = ["train", "val", "train", "test", "test", "test", "test", "test"]
    header = "filename,split" if classes else "filename,split,label"
    text = table(header, lambda n, p: (p, said[n], *([] if classes else [KINDS[n % 2]])), paths=paths)
    photos = lay(tmp_path / "photos", paths, {"t.csv": text})
    with pytest.raises(InputError, match=r"'split'.*train/.*test.*train.*ingest\.split_column"):
        ingested(photos)
    words = {"val": "validation"}
    assert by_path(ingested(photos, split_column="split"), "given_split") == {p: words.get(s, s) for p, s in zip(paths, said, strict=True)}
    assert by_path(ingested(photos, split_column="none"), "given_split") == {path: path.split("/")[0] for path in paths}
    (photos / "t.csv").write_text(text.replace("test\n", "train\n", 1) if classes else text.replace("test,", "train,", 1))
    assert by_path(ingested(photos), "given_split")[paths[1]] == "validation"  # a part of the training


def test_a_table_of_the_test_alone_beside_class_folders_of_the_training(tmp_path):
    photos = lay(tmp_path / "photos", SIGNS, {"Test.csv": signs(SIGNS[6:])})
    with pytest.raises(InputError, match=r"Test\.csv .*3 file.*6 others.*ingest\.table"):
        ingested(photos)
    assert len(ingested(photos, table="Test.csv")) == 3
    assert len(ingested(photos, table="none")) == 6


def test_a_table_of_names_to_predict_gives_no_labels(tmp_path, capsys):
    train, test = [f"train/{n}.png" for n in range(4)], [f"test/t{n}.png" for n in range(3)]
    texts = {
        "train.csv": ids(train),
        "test.csv": table("id", lambda n, p: (f"t{n}",), paths=test),
        "sample_submission.csv": ids([f"test/t{n}.png" for n in range(3)], ("cat",)),
    }
    manifest = ingested(lay(tmp_path / "photos", [*train, *test], texts))
    assert by_path(manifest) == {path: KINDS[n % 2] for n, path in enumerate(train)}
    assert "3 image(s) that train.csv does not name are left out" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["sample_submission.csv", "submission.csv.gz"])
def test_a_submission_beside_class_folders(tmp_path, name):
    train = [f"train/{kind}/{kind}{n}.png" for kind in KINDS for n in range(3)]
    test = [f"test/t{n}.png" for n in range(4)]
    text = ids(test, ("cat", "dog")).encode()
    photos = lay(tmp_path / "photos", [*train, *test], {name: gzip.compress(text) if name.endswith("gz") else text})
    assert by_path(ingested(photos)) == {path: path.split("/")[1] for path in train}
    assert len(ingested(photos, table=name)) == 4


def test_folders_of_pictures_and_of_texts_are_no_classes_beside_a_list(tmp_path):
    images = [f"images/train/{n}.png" for n in range(4)]
    texts = {"train.txt": "\n".join(f"./{path}" for path in images), "labels/train/0.txt": "0 1 1 1 1", "labels/train/x.txt": "0 1 1 1 1"}
    with pytest.raises(InputError, match=r"train\.txt in .* lists the files of a split.*ingest\.table"):
        ingested(lay(tmp_path / "photos", images, texts))
