"""Tables of labels: columns are found, labels are texts, and a table that contradicts itself is refused."""

import io
import unicodedata

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from components.ingest.config import IngestConfig
from components.ingest.ingest import ingest
from darkroom.manifest import read
from darkroom.system.errors import InputError


def lay(root, files, **tables):
    for number, path in enumerate(files):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        file = io.BytesIO()
        Image.new("L", (5, 5), number).save(file, "PNG")
        (root / path).write_bytes(file.getvalue())
    for name, text in tables.items():
        root.mkdir(exist_ok=True)
        (root / f"{name}.csv").write_text(text, encoding="utf-8")
    return root


def run(source, **settings):
    out = source.parent / f"{source.name}-out"
    measures = ingest(source, out / "images", out / "manifest.parquet", config=IngestConfig(**settings))
    return read(out / "manifest.parquet"), measures


def labels_of(manifest):
    return dict(zip(manifest.column("path"), manifest.column("labels" if manifest.task == "multilabel" else "label"), strict=True))


@pytest.fixture
def data(tmp_path):
    return tmp_path / "data"


ABC = ["images/a.png", "images/b.png", "images/c.png"]


@pytest.mark.parametrize("label", ["N/A", "null", "NA", "nan", "None", "007", "1.5", "True", "#N/A", "-"])
def test_any_text_is_a_label(data, label):
    lay(data, ABC, labels=f"filename,label\na.png,{label}\nb.png,other\nc.png,{label}\n")
    manifest, _ = run(data, missing_words="label")
    assert labels_of(manifest) == {ABC[0]: label, ABC[1]: "other", ABC[2]: label}


COLUMNS = ["filename", "File Name", "file", "path", "image", "image_id", "Image Index", "IMG_PATH", "whatever"]
FORMS = ["{}.png", "{}", "images/{}.png", "./images/{}.png", "images\\{}.png", "{}.PNG"]


@pytest.mark.parametrize(
    ("column", "form"), [*((column, "{}.png") for column in COLUMNS), *((c, form) for c in ("file", "whatever") for form in FORMS[1:])]
)
def test_files_are_found_by_any_name(data, column, form):
    rows = "".join(f"{form.format(name)},{label}\n" for name, label in zip("abc", "xyx", strict=True))
    manifest, _ = run(lay(data, ABC, labels=f"{column},label\n{rows}"))
    assert labels_of(manifest) == dict(zip(ABC, "xyx", strict=True))


def test_accents_match_in_either_form(data):
    taken_apart, composed = (unicodedata.normalize(form, "é") for form in ("NFD", "NFC"))
    manifest, _ = run(lay(data, [f"{taken_apart}.png", "b.png"], labels=f"file,label\n{composed}.png,{taken_apart}\nb.png,y\n"))
    assert labels_of(manifest) == {f"{taken_apart}.png": composed, "b.png": "y"}


def test_a_name_with_dots_needs_no_ending(data):
    manifest, _ = run(lay(data, ["img.001.png", "img.002.png"], labels="image_id,label\nimg.001,x\nimg.002,y\n"))
    assert labels_of(manifest) == {"img.001.png": "x", "img.002.png": "y"}


def test_an_image_goes_before_its_sidecar(data):
    lay(data, ["a.png", "b.png"], labels="image_id,label\na,x\nb,y\n")
    for name in ("a.xml", "b.xml"):
        (data / name).write_text("<x/>")
    assert labels_of(run(data)[0]) == {"a.png": "x", "b.png": "y"}


@pytest.mark.parametrize(("joined", "separator"), [("x|y", "|"), ("x;y", "|"), ("x, y", "|"), ("x&y", "&"), ("x | y | x", "|")])
def test_labels_joined_in_a_cell_are_taken_apart(data, joined, separator):
    manifest, _ = run(lay(data, ABC, labels=f'filename,labels\na.png,"{joined}"\nb.png,y\nc.png,\n'), separator=separator)
    assert (manifest.task, manifest.classes) == ("multilabel", ("x", "y"))
    assert manifest.column("labels") == [["x", "y"], ["y"], []]


def test_a_comma_inside_a_label_stays(data):
    lay(data, ABC, labels='filename,label\na.png,"pneumonia, viral"\nb.png,"pneumonia, bacterial"\nc.png,normal\n')
    with pytest.raises(InputError, match=r"may be one label or 2 .*set ingest\.separator"):
        run(data)
    manifest, _ = run(data, separator="none")
    assert (manifest.task, len(manifest.classes)) == ("multiclass", 3)


def test_a_task_of_one_label_keeps_the_cell_whole(data):
    manifest, _ = run(lay(data, ABC, labels="filename,label\na.png,x|y\nb.png,y\nc.png,z\n"), task="multiclass")
    assert manifest.classes == ("x|y", "y", "z")


def test_columns_of_zeros_and_ones_keep_their_order_and_a_label_that_never_occurs(data):
    manifest, _ = run(lay(data, ABC, labels="filename,z,N/A,never,a\na.png,1,1,0,0\nb.png,0,1,0,1\nc.png,0,0,0,\n"), unmarked="negative")
    assert (manifest.task, manifest.classes) == ("multilabel", ("z", "N/A", "never", "a"))
    assert manifest.column("labels") == [["z", "N/A"], ["N/A", "a"], []]


def test_columns_with_exactly_one_one_a_row_are_classes(data):
    text = "image,MEL,NV,DF\na,1.0,0.0,0.0\nb,0.0,1.0,0.0\nc,0.0,0.0,1.0\n"
    manifest, _ = run(lay(data, ABC, labels=text))
    assert (manifest.task, manifest.classes, manifest.column("label")) == ("multiclass", ("MEL", "NV", "DF"), ["MEL", "NV", "DF"])
    assert run(data, task="multilabel")[0].task == "multilabel"


def test_joined_labels_beside_columns_take_the_columns_order(data):
    text = "filename,labels,y,x,never,is_male\na.png,x|y,1,1,0,1\nb.png,x,0,1,0,1\nc.png,,0,0,0,0\n"
    manifest, _ = run(lay(data, ABC, labels=text))
    assert (manifest.task, manifest.classes) == ("multilabel", ("y", "x", "never"))
    assert manifest.column("labels") == [["y", "x"], ["x"], []]


def test_joined_labels_that_contradict_the_columns_are_refused(data):
    lay(data, ABC, labels="filename,labels,x,y\na.png,x|y,1,1\nb.png,x,0,1\nc.png,y,0,1\n")
    with pytest.raises(
        InputError, match=r"labels\.csv contradicts itself at 'b\.png': column 'labels' says x, the columns of 0 and 1 say y"
    ):
        run(data)


def test_group_and_split_are_found(data):
    text = "image,label,patient_id,split\na,x,p1,train\nb,y,p2,val\nc,x,,TEST\n"
    manifest, _ = run(lay(data, ABC, labels=text))
    assert manifest.column("group") == ["p1", "p2", None]
    assert manifest.column("given_split") == ["train", "validation", "test"]


def test_columns_may_be_named(data):
    text = "id,file,kind,label,owner,phase\n1,a.png,x,0,p,train\n2,b.png,y,0,q,test\n3,c.png,x,1,p,\n"
    lay(data, ABC, labels=text)
    settings = {"path_column": "file", "label_column": "kind", "group_column": "owner", "split_column": "phase"}
    manifest, _ = run(data, **settings)
    assert (manifest.column("label"), manifest.column("group")) == (["x", "y", "x"], ["p", "q", "p"])
    assert manifest.column("given_split") == ["train", "test", None]


def test_how_many_cells_of_an_unnamed_column_must_be_files_is_the_users_to_say(data):
    lay(data, ABC[:2], labels="whatever,label\na.png,x\nb.png,y\n" + "".join(f"{number}.png,x\n" for number in range(4)))
    with pytest.raises(InputError):  # 2 of 6: the table is none of labels, and there are no class folders
        run(data, missing_files="drop")
    manifest, _ = run(data, missing_files="drop", min_found_share=0.3)
    assert labels_of(manifest) == {ABC[0]: "x", ABC[1]: "y"}


@pytest.mark.parametrize("setting", ["path_column", "label_column", "group_column", "split_column", "label_columns"])
def test_a_column_that_does_not_exist_is_told(data, setting):
    lay(data, ABC, labels="filename,label\na.png,x\nb.png,y\n")
    with pytest.raises(InputError, match=rf"(columns: filename, label|has the columns filename, label).*{setting}|{setting} is 'nope'"):
        run(data, **{setting: ("nope",) if setting == "label_columns" else "nope"})


def test_a_value_that_is_no_split_is_told(data):
    lay(data, ABC, labels="filename,label,phase\na.png,x,one\nb.png,y,two\n")
    with pytest.raises(InputError, match="has 'one', 'two' in column 'phase': a split is train, validation or test"):
        run(data, split_column="phase")


def test_a_value_that_is_no_zero_or_one_is_told(data):
    lay(data, ABC, labels="filename,x,y\na.png,1,-1\nb.png,0,1\n")
    with pytest.raises(InputError, match=r"has -1 in column 'y' beside 0 and 1: set ingest\.uncertain"):
        run(data, label_columns=("x", "y"))
    lay(data, ABC, labels="filename,x,y\na.png,1,red\nb.png,0,1\n")
    with pytest.raises(InputError, match=r"has 1, red in column 'y', which ingest\.label_columns names"):
        run(data, label_columns=("x", "y"))


def test_folders_of_splits_beside_a_table_are_kept(data):
    manifest, _ = run(lay(data, ["train/a.png", "test/b.png", "more/c.png"], labels="filename,label\na,x\nb,y\nc,x\n"))
    assert dict(zip(manifest.column("path"), manifest.column("given_split"), strict=True)) == {
        "train/a.png": "train", "test/b.png": "test", "more/c.png": None,
    }  # fmt: skip


def test_number_and_name_of_a_class_are_one_column(data):
    manifest, _ = run(lay(data, ABC, labels="filename,label,class_name\na.png,0,cat\nb.png,1,dog\nc.png,0,cat\n"))
    assert manifest.classes == ("cat", "dog")


def test_two_different_columns_of_labels_are_ambiguous(data):
    lay(data, ABC, labels="filename,label,category\na.png,0,cat\nb.png,1,cat\nc.png,0,dog\n")
    with pytest.raises(InputError, match=r"several columns that may hold the labels \(label, category\): set ingest\.label_column"):
        run(data)
    assert run(data, label_column="category")[0].classes == ("cat", "dog")


def test_a_table_without_labels_is_told(data):
    lay(data, ABC, labels="filename,colour,size\na.png,red,big\n")
    with pytest.raises(InputError, match=r"no column that is known to hold labels \(columns: filename, colour, size\)"):
        run(data)


def test_a_table_without_labels_beside_class_folders_is_not_needed(data):
    manifest, measures = run(lay(data, ["x/a.png", "y/b.png"], meta="filename,colour,size\na.png,red,big\n"))
    assert (manifest.classes, measures["num_ignored"]) == (("x", "y"), 1)


def test_the_table_may_be_switched_off_named_or_given_as_the_source(data):
    lay(data, ["x/a.png", "y/b.png"], one="filename,label\na.png,1\nb.png,2\n", two="filename,label\na.png,3\nb.png,4\n")
    with pytest.raises(InputError, match=r"several tables of labels \(one\.csv, two\.csv\): name one in ingest\.table"):
        run(data)
    assert run(data, table="none")[0].classes == ("x", "y")
    assert run(data, table="two.csv")[0].classes == ("3", "4")
    assert run(data / "one.csv")[0].classes == ("1", "2")
    with pytest.raises(InputError, match=r"ingest\.table is 'three\.csv', which is not in"):
        run(data, table="three.csv")


def test_files_that_do_not_exist_are_named_and_counted(data):
    rows = "".join(f"missing{number}.jpg,x\n" for number in range(1, 6))
    lay(data, ABC, labels=f"filename,label\na.png,x\nb.png,y\n{rows}")
    with pytest.raises(
        InputError, match=r"names 5 file\(s\) that are not in .*data: missing1\.jpg, missing2\.jpg, missing3\.jpg and 2 more"
    ):
        run(data)
    manifest, measures = run(data, missing_files="drop")
    assert (len(manifest), measures["num_missing"], measures["num_ignored"]) == (2, 5, 1)


def test_a_table_of_files_that_are_all_missing_is_refused_in_any_case(data):
    lay(data, [], labels="filename,label\nmissing1.jpg,a\nmissing2.jpg,b\n")
    for missing_files in ("fail", "drop"):
        with pytest.raises(InputError, match=r"missing1\.jpg, missing2\.jpg"):
            run(data, missing_files=missing_files)


@pytest.mark.parametrize("name", ["../secret.png", "/etc/secret.png", "C:\\secret.png", "images/../../secret.png"])
def test_a_path_that_leads_out_is_refused(data, name):
    lay(data, [*ABC, "../secret.png"], labels=f"filename,label\na.png,x\n{name},y\n")
    with pytest.raises(InputError, match="which leads out of the data"):
        run(data)


def test_a_name_of_two_files_is_ambiguous(data):
    lay(data, ["one/a.png", "two/a.png", "b.png"], labels="filename,label\na.png,x\nb.png,y\n")
    with pytest.raises(InputError, match=r"'a\.png', which may be one/a\.png, two/a\.png: write the path from the data's root"):
        run(data)


def test_a_file_named_twice_must_have_one_answer(data):
    lay(data, ABC, labels="filename,label,patient\na.png,x,p\nb.png,y,p\nimages/a.png,x,p\n")
    assert len(run(data)[0]) == 2
    lay(data, ABC, labels="filename,label\na.png,x\nb.png,y\na.png,y\n")
    with pytest.raises(InputError, match=r"'images/a\.png' twice, with different labels \(x and y\)"):
        run(data)
    lay(data, ABC, labels="filename,label,patient\na.png,x,p\nb.png,y,p\na.png,x,q\n")
    with pytest.raises(InputError, match="twice, with different groups or splits"):
        run(data)


def test_rows_without_a_label_are_left_out_counted_and_named(data, capsys):
    manifest, measures = run(lay(data, ABC, labels="filename,label\na.png,x\nb.png,y\nc.png,  \n"))
    assert (len(manifest), measures["num_unlabelled"], measures["num_ignored"]) == (2, 1, 0)
    assert "1 file(s) without a label are left out: c.png" in capsys.readouterr().out


def test_every_named_file_is_delivered_whatever_is_in_it(data):
    lay(data, ABC, labels="filename,label\na.png,x\nb.png,y\nnotes.txt,x\n")
    (data / "notes.txt").write_text("hello")
    manifest, _ = run(data)
    assert manifest.column("path") == ["images/a.png", "images/b.png", "notes.txt"]
    assert manifest.column("width") == [5, 5, None]


def test_parquet_is_read_with_numbers_nulls_and_lists(data):
    lay(data, ABC)
    pq.write_table(pa.table({"image": ["a", "b", "c"], "label": [7, 8, None], "patient": [1.0, None, 3.5]}), data / "t.parquet")
    manifest, measures = run(data)
    assert (manifest.classes, manifest.column("group"), measures["num_unlabelled"]) == (("7", "8"), ["1", None], 1)
    pq.write_table(pa.table({"image": ["a", "b", "c"], "tags": [["y|z", "x"], [], None]}), data / "t.parquet")
    assert run(data)[0].column("labels") == [["x", "y|z"], [], []]


def test_spreadsheets_of_other_habits_are_read(data):
    lay(data, ABC)
    (data / "labels.csv").write_bytes("\ufefffilename; label ;\r\na.png; x ;\r\n\r\nb.png;y;\r\n".encode())
    assert labels_of(run(data)[0]) == {ABC[0]: "x", ABC[1]: "y"}
    (data / "labels.csv").write_bytes("filename,label\na.png,ü\nb.png,y\n".encode("utf-16"))
    assert run(data)[0].classes == ("y", "ü")
    (data / "labels.csv").rename(data / "labels.tsv")
    (data / "labels.tsv").write_text("filename\tlabel\na.png\tx, y\nb.png\tz\n")
    assert run(data, separator="none")[0].classes == ("x, y", "z")


@pytest.mark.parametrize(("name", "encoding", "words"), [("labels.csv", "cp1252", "Bär Füchse"), ("labels.json", "shift_jis", "犬 猫")])
def test_a_table_in_the_encoding_that_the_user_names_is_read(data, name, encoding, words):
    lay(data, ABC)
    first, second = words.split()
    rows = {".csv": f"filename,label\na.png,{first}\nb.png,{second}\n", "json": f'{{"{ABC[0]}": "{first}", "{ABC[1]}": "{second}"}}'}
    (data / name).write_bytes(rows[name[-4:]].encode(encoding))
    assert labels_of(run(data, encoding=encoding)[0]) == {ABC[0]: first, ABC[1]: second}
    with pytest.raises(InputError, match=r"is not in the encoding ascii .* which ingest.encoding names"):
        run(data, encoding="ascii")


@pytest.mark.parametrize("encoding", ["zip", "latin-99"])
def test_an_unknown_encoding_is_refused(encoding):
    with pytest.raises(ValueError, match="is no encoding of texts"):
        IngestConfig(encoding=encoding)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"filename,label\na.png,x,y\n", r"has 3 cells in row 2 and 2 in its header"),
        (b"filename,label\na.png\n", r"has 1 cells in row 2 and 2 in its header"),
        (b"filename,label\na.png,\xe9\n", r"is not UTF-8 \(byte 21\).* name its encoding in ingest.encoding"),
        (b'filename,label\na.png,"x\n', r"is no valid CSV: line 2"),
        (b"filename,label,label\na.png,x,y\n", r"has the column 'label' twice"),
        (b"filename,label\n", r"labels\.csv in .*data has no rows"),
    ],
    ids=["too many cells", "too few cells", "encoding", "open quote", "same column twice", "no rows"],
)
def test_a_broken_table_is_told(data, content, message):
    lay(data, ABC)
    (data / "labels.csv").write_bytes(content)
    with pytest.raises(InputError, match=message):
        run(data)


def test_a_file_that_only_claims_to_be_parquet_is_told(data):
    lay(data, ABC)
    (data / "labels.parquet").write_bytes(b"hello")
    with pytest.raises(InputError, match=r"labels\.parquet is no readable Parquet file"):
        run(data)


def test_several_labels_do_not_fit_a_task_of_one(data):
    lay(data, ABC, labels="filename,x,y\na.png,1,1\nb.png,0,1\nc.png,0,0\n")
    with pytest.raises(InputError, match=r"ingest\.task is multiclass, but files have several labels or none"):
        run(data, task="multiclass")


def test_settings_of_a_table_need_a_table(data):
    with pytest.raises(InputError, match=r"ingest\.label_column"):
        run(lay(data, ["x/a.png", "y/b.png"]), label_column="label")
