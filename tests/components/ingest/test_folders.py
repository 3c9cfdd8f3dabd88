"""Layouts of class folders: which folders are classes and which are splits, and where that can't be told, who decides."""

from pathlib import Path

import pytest

from components.ingest.catalogue import list_source
from components.ingest.config import IngestConfig
from components.ingest.folders import list_folders
from components.ingest.sources import FolderSource
from components.ingest.split_folders import Setting
from darkroom.system.errors import InputError
from tests.layouts import by_path, draw, ingested

T, V, E = "train", "validation", "test"


def source(root: Path, words: str) -> FolderSource:
    for name in words.split():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    return FolderSource(root, 1000)


def read(root: Path, words: str, setting: Setting = "auto") -> tuple[dict[str, tuple[str, str | None]], tuple[str, ...]]:
    """Class and split by path."""
    listing = list_folders(source(root, words), setting)
    return {file.path: (file.labels[0], file.given_split) for file in listing.files}, listing.notes


SPLITS = [
    ("Training Testing", T, E),
    ("TRAIN TEST", T, E),
    ("train valid", T, V),
    ("Train VALID", T, V),
    ("training validation", T, V),
    ("train dev", T, V),
    ("trn tst", T, E),
    ("train_set test_set", T, E),
    ("training-set test-set", T, E),
    ("train_images test_images", T, E),
    ("images_train images_test", T, E),
    ("trainImages testImages", T, E),
    ("train2017 val2017", T, V),
    ("seg_train seg_test", T, E),
    ("train_data val_data", T, V),
]


@pytest.mark.parametrize(("names", "first", "second"), SPLITS, ids=[names for names, *_ in SPLITS])
@pytest.mark.parametrize("form", ["{}/{}", "{0}/{0}/{1}", "{0}/{0}/{0}/{1}", "{}/images/{}"])
def test_splits_are_known_by_what_people_call_them_also_nested(tmp_path: Path, names: str, first: str, second: str, form: str) -> None:
    one, other = names.split()
    places = {f"{form.format(top, kind)}/1.png": (kind, split) for top, split in ((one, first), (other, second)) for kind in ("cat", "dog")}
    found, notes = read(tmp_path, " ".join(places))
    assert found == places
    assert all(f"{top}/" in notes[0] for top in (one, other))


LAYOUTS = {
    "classes alone": ("cat/1.png dog/2.png", {"cat/1.png": ("cat", None), "dog/2.png": ("dog", None)}),
    "folders below a class": ("cat/a/1.png dog/b/2.png", {"cat/a/1.png": ("cat", None), "dog/b/2.png": ("dog", None)}),
    "a train among vehicles": ("bus/1.png train/2.png", {"bus/1.png": ("bus", None), "train/2.png": ("train", None)}),
    "a station among buildings": ("trains/1.png tested/2.png", {"trains/1.png": ("trains", None), "tested/2.png": ("tested", None)}),
    "a test split beside the classes": (
        "cat/1.png dog/2.png test/cat/3.png test/Dog/4.png",
        {"cat/1.png": ("cat", None), "dog/2.png": ("dog", None), "test/cat/3.png": ("cat", E), "test/Dog/4.png": ("Dog", E)},
    ),
    "splits inside of classes": (
        "cat/train/1.png cat/test/2.png dog/Training/3.png dog/test/4.png",
        {
            "cat/train/1.png": ("cat", T), "cat/test/2.png": ("cat", E), "dog/Training/3.png": ("dog", T), "dog/test/4.png": ("dog", E),
        },
    ),
    "splits in a folder around them": (
        "Data/Training/cat/1.png Data/Training/dog/2.png Data/test_set/test_set/cat/3.png",
        {"Data/Training/cat/1.png": ("cat", T), "Data/Training/dog/2.png": ("dog", T), "Data/test_set/test_set/cat/3.png": ("cat", E)},
    ),
    "splits in folders of one name around them": (
        "pets/pets/training_set/cat/1.png pets/pets/training_set/dog/2.png pets/pets/test_set/cat/3.png",
        {
            "pets/pets/training_set/cat/1.png": ("cat", T), "pets/pets/training_set/dog/2.png": ("dog", T),
            "pets/pets/test_set/cat/3.png": ("cat", E),
        },
    ),
    "one class with folders in each other": (
        "cat/a/b/1.png cat/a/c/2.png", {"cat/a/b/1.png": ("cat", None), "cat/a/c/2.png": ("cat", None)},
    ),
    "a class that is called as pictures are": (
        "train/photos/1.png train/drawings/2.png test/photos/3.png",
        {"train/photos/1.png": ("photos", T), "train/drawings/2.png": ("drawings", T), "test/photos/3.png": ("photos", E)},
    ),
    "a folder called train inside of one class": (
        "cat/train/1.png cat/2.png dog/3.png",
        {"cat/train/1.png": ("cat", None), "cat/2.png": ("cat", None), "dog/3.png": ("dog", None)},
    ),
    "annotations beside the splits": (
        "train/cat/1.png test/dog/2.png labels/1.xml classes.txt",
        {"train/cat/1.png": ("cat", T), "test/dog/2.png": ("dog", E), "labels/1.xml": ("labels", None)},
    ),
    "a split twice": (
        "val/cat/1.png validation/dog/2.png train/cat/3.png",
        {"val/cat/1.png": ("cat", V), "validation/dog/2.png": ("dog", V), "train/cat/3.png": ("cat", T)},
    ),
    "classes called by numbers in one split": (
        "train/1/a/1.png train/1/b/2.png test/1/a/3.png",
        {"train/1/a/1.png": ("1", T), "train/1/b/2.png": ("1", T), "test/1/a/3.png": ("1", E)},
    ),
    "names without a suffix": ("train/cat/1 test/dog/2", {"train/cat/1": ("cat", T), "test/dog/2": ("dog", E)}),
    "pictures that are not decoded": ("train/cat/1.heic test/dog/2.dcm", {"train/cat/1.heic": ("cat", T), "test/dog/2.dcm": ("dog", E)}),
}  # fmt: skip


@pytest.mark.parametrize(("words", "expected"), LAYOUTS.values(), ids=LAYOUTS)
def test_a_layout_of_one_reading_is_read(tmp_path: Path, words: str, expected: dict[str, tuple[str, str | None]]) -> None:
    assert read(tmp_path, words)[0] == expected


UNCLEAR = {
    "splits or classes": ("train/1.png test/2.png", "train/ test/"),
    "splits by other names": ("Training/1.png Testing/2.png", "Training/ Testing/"),
    "a class called test, or unlabelled images": ("cat/1.png dog/2.png test/3.png", "test/ cat dog"),
    "a class called validation": ("cat/1.png dog/2.png validation/3.png", "validation/"),
    "a class called test with folders of its own": ("cat/1.png dog/2.png test/urine/3.png", "test/ cat"),
    "images to predict beside the splits": (
        "seg_train/seg_train/cat/1.png seg_test/seg_test/cat/2.png seg_pred/3.png",
        "seg_train/ seg_pred",
    ),
    "more images beside the splits": ("train/cat/1.png test/cat/2.png extra/dog/3.png", "train/ extra"),
    "a class beside the splits": ("train/cat/1.png test/cat/2.png owl/3.png", "owl"),
    "train and test among vehicles": ("bus/1.png train/2.png test/3.png", "train/ test/ bus"),
    "held-out images of either kind": ("train/cat/1.png train/dog/2.png eval/cat/3.png eval/dog/4.png", "eval/ validation test"),
}


@pytest.mark.parametrize(("words", "named"), UNCLEAR.values(), ids=UNCLEAR)
def test_a_layout_of_two_readings_is_refused_with_the_setting_that_decides(tmp_path: Path, words: str, named: str) -> None:
    with pytest.raises(InputError, match=r"ingest\.split_folders") as caught:
        read(tmp_path, words)
    assert [word for word in named.split() if word not in str(caught.value)] == []
    found, _ = read(tmp_path, words, "classes")
    assert {label for label, _ in found.values()} == {path.split("/")[0] for path in words.split()}
    assert {split for _, split in found.values()} == {None}


def test_the_setting_takes_the_splits_alone(tmp_path: Path) -> None:
    words = "seg_train/seg_train/cat/1.png seg_test/seg_test/cat/2.png seg_pred/seg_pred/3.png"
    found, notes = read(tmp_path, words, "splits")
    assert list(found.values()) == [("cat", E), ("cat", T)]
    assert "seg_pred" in notes[0]


@pytest.mark.parametrize("setting", ["auto", "splits"])
@pytest.mark.parametrize("unlabelled", ["test/3.png", "test/test/3.png", "test/images/3.png", "test_images/test/3.png", "Test/3.heic"])
def test_images_of_a_test_without_classes_are_left_out_and_told(tmp_path: Path, unlabelled: str, setting: Setting) -> None:
    found, notes = read(tmp_path, f"train/cat/1.png train/dog/2.png {unlabelled}", setting)
    assert found == {"train/cat/1.png": ("cat", T), "train/dog/2.png": ("dog", T)}
    assert unlabelled in notes[-1]


@pytest.mark.parametrize("folder", ["unlabeled", "Unlabelled images", "train/unsorted"])
def test_a_folder_of_images_without_classes_is_none_unless_the_user_says_so(tmp_path: Path, folder: str) -> None:
    root = folder.rpartition("/")[0]
    words = [f"{root}/{kind}/1.png".lstrip("/") for kind in ("cat", "dog")]
    photos = draw(tmp_path / "photos", [*words, f"{folder}/3.png"])
    with pytest.raises(InputError, match=r"ingest\.ignore.*ingest\.split_folders"):
        ingested(photos)
    assert ingested(photos, ignore=(folder.rpartition("/")[2],)).classes == ("cat", "dog")
    if not root:
        assert set(ingested(photos, split_folders="classes").classes) == {"cat", "dog", folder}


@pytest.mark.parametrize("unlabelled", ["val/3.png", "train/3.png", "test/dog/3.png test/4.png", "val/images/3.png"])
def test_other_images_in_a_split_without_a_class_are_named(tmp_path: Path, unlabelled: str) -> None:
    words = f"train/cat/1.png train/dog/2.png {unlabelled}"
    with pytest.raises(InputError, match=rf"{unlabelled.split()[-1]}.*ingest\.ignore"):
        read(tmp_path, words)
    listing = list_source(source(tmp_path, words), "", IngestConfig(ignore=(unlabelled.split()[-1],)), "auto")
    assert len(listing.files) == len(words.split()) - 1


@pytest.mark.parametrize(
    "words", ["test/unknown/3.png", "test/unknown/3.png test/more/4.png", "val/none/3.png", "test/test/all/3.png test/test/4.png"]
)
def test_a_split_of_other_classes_than_the_training_is_refused(tmp_path: Path, words: str) -> None:
    with pytest.raises(InputError, match=r"ingest\.ignore") as error:
        read(tmp_path, f"train/cat/1.png train/dog/2.png {words}")
    top = words.partition("/")[0]
    assert f"{top}/" in str(error.value)
    remaining = list_source(FolderSource(tmp_path, 1000), "", IngestConfig(ignore=(f"{top}/",)), "auto")
    assert [file.labels for file in remaining.files] == [("cat",), ("dog",)]


def test_images_of_splits_alone_are_in_no_class(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"test/images/2\.png"):
        read(tmp_path, "train/images/1.png train/labels/1.txt test/images/2.png test/labels/2.txt")


@pytest.mark.parametrize(("setting", "expected"), [("classes", None), ("splits", "test")])
def test_the_setting_holds_beside_a_table_as_well(tmp_path: Path, setting: Setting, expected: str | None) -> None:
    data = source(tmp_path, "train/1.png test/2.png train/3.png test/4.png")
    (tmp_path / "labels.csv").write_text("file,label\n1.png,x\n2.png,y\n3.png,y\n4.png,x\n")
    listing = list_source(FolderSource(data.root, 1000), "", IngestConfig(split_folders=setting), "auto")
    assert {file.given_split for file in listing.files if file.path.startswith("test/")} == {expected}


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ("asl_train/cat/1 asl_train/dog/2 asl_test/cat/3 asl_test/dog/4", "asl_test/"),
        ("site_a/cat/1 site_a/dog/2 site_b/cat/3 site_b/dog/4", "site_a/"),
        ("cat/train/1 cat/test/2 dog/train/3 dog/test/4 cat/extra", "the class folder itself"),
        ("cat/train/1 cat/test/2 cat/other/3 dog/train/4 dog/test/5", "other/"),
    ],
)
def test_folders_that_all_hold_the_same_are_refused_unless_they_are_said_to_be_classes(tmp_path: Path, words: str, named: str) -> None:
    with pytest.raises(InputError, match=r"ingest\.split_folders") as caught:
        read(tmp_path, words)
    assert named in str(caught.value)
    assert {split for _, split in read(tmp_path, words, "classes")[0].values()} == {None}


def test_folders_of_years_below_classes_are_no_classes(tmp_path: Path) -> None:
    found, _ = read(tmp_path, "cat/2023/1 cat/2024/2 dog/2023/3 dog/2024/4")
    assert {label for label, _ in found.values()} == {"cat", "dog"}


@pytest.mark.parametrize("mask", ["{kind}/{n}_mask.png", "{kind}/{n} segmentation 1.png", "{kind}/{n}.seg.png", "{kind}/masks/{n}.png"])
def test_masks_among_the_images_of_a_class_are_told_and_may_be_left_out(
    tmp_path: Path, mask: str, capsys: pytest.CaptureFixture[str]
) -> None:
    numbers = [(kind, n) for kind in ("cat", "dog") for n in range(2)]
    masks = [mask.format(kind=kind, n=n) for kind, n in numbers]
    photos = draw(tmp_path / "photos", [*(f"{kind}/{n}.png" for kind, n in numbers), *masks])
    assert len(ingested(photos)) == 8
    assert f"4 file(s) are called as masks of others, and taken for images of their class ({masks[0]}" in capsys.readouterr().out
    assert len(ingested(photos, ignore=("*_mask.*", "*segmentation*", "*.seg.*", "masks"))) == 4
    assert "mask" not in capsys.readouterr().out.replace("'*_mask.*'", "").replace("'masks'", "")


def test_masks_beside_a_folder_of_images_in_each_class(tmp_path: Path) -> None:
    photos = draw(
        tmp_path / "photos", [f"{kind}/{part}/{n}.png" for kind in ("cat", "dog") for part in ("images", "masks") for n in range(2)]
    )
    with pytest.raises(InputError, match=r"name masks in ingest\.ignore"):
        ingested(photos)
    assert set(by_path(ingested(photos, ignore=("masks",))).values()) == {"cat", "dog"}
