"""Several tables of one source: read as one where each is of another split or folder, else refused."""

import pytest

from darkroom.system.errors import InputError
from tests.layouts import by_path, ingested, labelled, lay, table

KINDS = ("cat", "dog")
FOUR = [f"{number}.png" for number in range(4)]
BOTH = [f"{split}/{path}" for split in ("train", "test") for path in FOUR]
CAT_DOG = {path: KINDS[number % 2] for number, path in enumerate(BOTH)}


def pair(train: str, test: str) -> dict[str, str]:
    return {"Train.csv": labelled(KINDS, train, BOTH[:4]), "Test.csv": labelled(KINDS, test, BOTH[4:])}


@pytest.mark.parametrize(
    ("train", "test"),
    [("Filename,label", "Path,label"), ("image,ClassId", "image,Class"), ("file,Label", "File,label"), ("key,dx", "key,diagnosis")],
)
def test_tables_of_splits_may_call_their_columns_differently(tmp_path, capsys, train, test):
    manifest = ingested(lay(tmp_path / "photos", BOTH, pair(train, test)))
    assert by_path(manifest) == CAT_DOG
    assert by_path(manifest, "given_split") == {path: path.partition("/")[0] for path in BOTH}
    assert " of Train.csv is read as " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("train", "test"), [("filename,label", "filename,kind"), ("file,label,path", "path,label,file"), ("filename,kind", "filename,label")]
)
def test_tables_of_splits_whose_columns_may_mean_different_things_are_refused(tmp_path, train, test):
    texts = {
        f"{split}.csv": table(
            header, lambda n, p, header=header: (p, KINDS[n % 2], "x")[: header.count(",") + 1], paths=BOTH[start : start + 4]
        )
        for split, header, start in (("train", train, 0), ("test", test, 4))
    }
    photos = lay(tmp_path / "photos", BOTH, texts)
    with pytest.raises(InputError, match=r"t\w+\.csv.*ingest\."):
        ingested(photos)


def test_labels_of_two_tables_in_other_words_are_refused(tmp_path):
    texts = {"train.csv": labelled(KINDS, "filename,label", BOTH[:4]), "test.csv": labelled(("0", "1"), "filename,class", BOTH[4:])}
    with pytest.raises(InputError, match=r"'class', 'label'|'label', 'class'"):
        ingested(lay(tmp_path / "photos", BOTH, texts))


def test_a_table_of_names_to_predict_beside_one_with_labels(tmp_path, capsys):
    texts = {"train.csv": labelled(KINDS, "id,label", BOTH[:4]), "test.csv": table("id", lambda n, p: (p,), paths=BOTH[4:])}
    assert by_path(ingested(lay(tmp_path / "photos", BOTH, texts))) == {path: CAT_DOG[path] for path in BOTH[:4]}
    assert "4 file(s) without a label are left out" in capsys.readouterr().out


def test_a_table_of_names_to_predict_beside_one_with_columns_of_0_and_1(tmp_path, capsys):
    texts = {
        "train.csv": table("id,cat,dog", lambda n, p: (p, 1 - n % 2, n % 2), paths=BOTH[:4]),
        "test.csv": table("id", lambda n, p: (p,), paths=BOTH[4:]),
    }
    assert by_path(ingested(lay(tmp_path / "photos", BOTH, texts))) == {path: CAT_DOG[path] for path in BOTH[:4]}
    assert "test.csv names 4 file(s) without a label, which are left out" in capsys.readouterr().out


SIGNS = [f"{top}{sign:05d}/{number}.png" for top in ("a/", "") for sign in (7, 20) for number in range(3)]


@pytest.mark.parametrize("paths", [SIGNS[:6], SIGNS[6:]], ids=["in a folder", "in the root"])
def test_a_table_in_each_folder_of_its_files(tmp_path, paths):
    texts = {
        f"{path.rpartition('/')[0]}/GT.csv": table(
            "Filename;Width;ClassId", lambda n, p, path=path: (p, 30, int(path.split("/")[-2])), ";", paths=[f"{n}.png" for n in range(3)]
        )
        for path in paths
    }
    photos = lay(tmp_path / "photos", paths, texts)
    assert by_path(ingested(photos)) == {path: str(int(path.split("/")[-2])) for path in paths}
    lay(photos, (), {paths[0].replace("0.png", "more.csv"): labelled(KINDS, paths=["0.png", "1.png"])})
    with pytest.raises(InputError, match=r"several tables.*ingest\.table"):
        ingested(photos)


def test_a_table_in_each_folder_of_a_split(tmp_path):
    places = [f"{split}/{site}" for split in ("train", "test") for site in "ab"]
    paths = [f"{place}/{number}.png" for place in places for number in range(2)]
    texts = {f"{place}/labels.csv": labelled(KINDS, paths=FOUR[:2]) for place in places}
    manifest = ingested(lay(tmp_path / "photos", paths, texts))
    assert by_path(manifest) == {path: KINDS[number % 2] for number, path in enumerate(paths)}
    assert by_path(manifest, "given_split") == {path: path.partition("/")[0] for path in paths}
