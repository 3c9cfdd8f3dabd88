"""What annotation programs export is read in the layout that they write, as labels of whole images."""

import json
from pathlib import Path

import pytest

from darkroom.system.errors import InputError
from tests.layouts import by_path, ingested, lay

FOUR = [f"{number:012d}.jpg" for number in (9, 25, 30, 34)]


def coco(images: dict[int, str], annotations: list[tuple[int, int]], names: tuple[str, ...] = ("cat", "dog", "bird")) -> str:
    """Annotations as pycocotools' data sets and Roboflow write them."""
    return json.dumps({
        "info": {"year": 2026, "version": "1.0", "description": "pets"},
        "licenses": [{"id": 1, "name": "CC BY 4.0", "url": "https://creativecommons.org/licenses/by/4.0/"}],
        "images": [
            {"id": number, "license": 1, "file_name": name, "height": 5, "width": 5, "date_captured": "2026-05-01 10:00:00"}
            for number, name in images.items()
        ],
        "annotations": [
            {"id": number, "image_id": image, "category_id": category, "bbox": [0, 0, 2, 2], "area": 4, "segmentation": [], "iscrowd": 0}
            for number, (image, category) in enumerate(annotations)
        ],
        "categories": [{"id": number, "name": name, "supercategory": "animal"} for number, name in enumerate(names, 1)],
    })  # fmt: skip


def notes_of(manifest: object) -> str:
    return "\n".join(note.text for note in manifest.notes)  # type: ignore[attr-defined]


def test_coco_with_one_category_an_image_is_multiclass(tmp_path: Path) -> None:
    images = dict(enumerate(FOUR))
    annotations = [(0, 1), (0, 1), (1, 2), (2, 3), (3, 1)]  # two cats in an image are one label
    data = lay(tmp_path / "pets", [f"images/{name}" for name in FOUR], {"annotations/instances.json": coco(images, annotations)})
    manifest = ingested(data)
    assert manifest.task == "multiclass"
    assert list(by_path(manifest).values()) == ["cat", "dog", "bird", "cat"]
    assert list(manifest.column("date_captured")) == ["2026-05-01 10:00:00"] * 4


def test_coco_with_several_is_multilabel_and_an_image_without_has_none(tmp_path: Path) -> None:
    text = coco(dict(enumerate(FOUR)), [(0, 2), (0, 1), (1, 2), (2, 1)])
    manifest = ingested(lay(tmp_path / "pets", FOUR, {"instances.json": text}))
    assert manifest.task == "multilabel"
    assert manifest.classes == ("cat", "dog")
    assert list(by_path(manifest).values()) == ["cat|dog", "dog", "cat", ""]
    told = notes_of(manifest)
    assert "1 image(s) of instances.json have no annotation: they have none of the labels" in told
    assert "bird" in told


def test_an_image_without_annotations_is_left_out_where_each_has_one(tmp_path: Path) -> None:
    text = coco(dict(enumerate(FOUR)), [(0, 2), (1, 2), (2, 1)])
    data = lay(tmp_path / "pets", FOUR, {"instances.json": text})
    manifest = ingested(data)
    assert list(by_path(manifest).values()) == ["dog", "dog", "cat"]
    assert "1 image(s) of instances.json have no annotation: they are left out" in notes_of(manifest)
    assert list(by_path(ingested(data, task="multilabel")).values()) == ["dog", "dog", "cat", ""]


def test_roboflow_has_a_file_in_each_splits_folder(tmp_path: Path) -> None:
    splits = {"train": FOUR, "valid": FOUR[:2], "test": FOUR[2:]}
    texts = {
        f"{split}/_annotations.coco.json": coco(dict(enumerate(names)), [(n, 1 + n % 2) for n in range(len(names))])
        for split, names in splits.items()
    }
    manifest = ingested(lay(tmp_path / "pets", [f"{split}/{name}" for split, names in splits.items() for name in names], texts))
    given = by_path(manifest, "given_split")
    assert {path: split for path, split in given.items() if FOUR[0] in path} == {
        f"train/{FOUR[0]}": "train",
        f"valid/{FOUR[0]}": "validation",
    }
    assert [given[f"test/{name}"] for name in FOUR[2:]] == ["test", "test"]


def test_cocos_own_layout_gives_the_split(tmp_path: Path) -> None:
    paths = [f"train2017/{name}" for name in FOUR[:2]] + [f"val2017/{name}" for name in FOUR[2:]]
    texts = {
        "annotations/instances_train2017.json": coco(dict(enumerate(FOUR[:2])), [(0, 1), (1, 2)]),
        "annotations/instances_val2017.json": coco(dict(enumerate(FOUR[2:])), [(0, 1), (1, 2)]),
    }
    manifest = ingested(lay(tmp_path / "coco", paths, texts))
    assert by_path(manifest, "given_split") == dict(zip(paths, ["train", "train", "validation", "validation"], strict=True))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (coco({0: FOUR[0]}, [(0, 9)]), "an annotation .id 0. of category 9, which is not among its categories .cat, dog, bird."),
        (coco({0: FOUR[0]}, []).replace('"file_name"', '"name"'), "an image .id 0. without a file_name"),
    ],
)
def test_coco_that_contradicts_itself_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        ingested(lay(tmp_path / "pets", FOUR, {"instances.json": text}), table="instances.json")
