"""What annotation programs export is read in the layout that they write, as labels of whole images."""

import json
from pathlib import Path

import pytest

from darkroom.system.errors import InputError
from darkroom.versions.data_version import data_version
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
        (coco({0: FOUR[0]}, []).replace('"file_name"', '"name"'), "names no file_name for the image of id 0"),
        (coco({0: FOUR[0]}, []).replace('"name": "dog"', '"title": "dog"'), "names no name for the category of id 2"),
        (
            coco({0: FOUR[0], 1: FOUR[1]}, []).replace('"id": 1, "license"', '"id": 0, "license"'),
            f"image id 0 twice .{FOUR[0]}, {FOUR[1]}.",
        ),
        (coco({0: FOUR[0]}, []).replace('"id": 2, "name"', '"id": 1, "name"'), "category id 1 twice .cat, dog."),
        (coco({0: FOUR[0]}, [(0, 1)]).replace('"category_id": 1', '"category_id": [1]'), "an annotation .id 0. of category .1."),
    ],
)
def test_coco_that_contradicts_itself_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        ingested(lay(tmp_path / "pets", FOUR, {"instances.json": text}), table="instances.json")


def test_cocos_ids_may_be_texts_here_and_numbers_there(tmp_path: Path) -> None:
    text = coco(dict(enumerate(FOUR)), [(0, 1), (1, 2), (2, 3), (3, 1)]).replace('"category_id": 1', '"category_id": "1"')
    manifest = ingested(lay(tmp_path / "pets", FOUR, {"instances.json": text}))
    assert list(by_path(manifest).values()) == ["cat", "dog", "bird", "cat"]


NAMES = [f"{number:08x}-{name}" for number, name in enumerate(("a.png", "b.png", "c.png", "d.png"), 0xAB)]


def task(number: int, path: str, *answers: dict[str, list[str]], **facts: object) -> dict[str, object]:
    """A task of Label Studio's JSON export; an answer is an annotation, by question."""
    annotations = [
        {
            "id": 10 * number + count,
            "completed_by": count,
            "result": [
                {"value": {"choices": labels}, "id": "x1", "from_name": question, "to_name": "image", "type": "choices", "origin": "manual"}
                for question, labels in answer.items()
            ],
            "was_cancelled": False,
            "ground_truth": False,
            "lead_time": 2.5,
        }
        for count, answer in enumerate(answers)
    ]
    return {"id": number, "annotations": annotations, "file_upload": path.rpartition("/")[2], "drafts": [], "predictions": [],
            "data": {"image": path, **facts}, "meta": {}, "created_at": "2026-05-01T10:00:00Z", "project": 1}  # fmt: skip


@pytest.mark.parametrize("stored", ["{name}", "images/{name}", "{own}"])
@pytest.mark.parametrize("path", ["/data/upload/1/{name}", "/data/local-files/?d=label%20studio/{name}", "s3://bucket/label/{name}"])
def test_label_studios_choices_are_labels(tmp_path: Path, stored: str, path: str) -> None:
    files = [stored.format(name=name, own=name[9:] if "upload" in path else name) for name in NAMES]
    tasks = [task(n, path.format(name=name), {"animal": ["cat" if n % 2 else "dog"]}, patient_id=f"p{n}") for n, name in enumerate(NAMES)]
    manifest = ingested(lay(tmp_path / "pets", files, {"project-1.json": json.dumps(tasks)}))
    assert by_path(manifest) == dict(zip(files, ["dog", "cat"] * 2, strict=True))
    assert by_path(manifest, "group") == dict(zip(files, ["p0", "p1", "p2", "p3"], strict=True))


def test_of_several_annotators_most_count_and_the_ground_truth_before_them(tmp_path: Path) -> None:
    cat, dog = {"animal": ["cat"]}, {"animal": ["dog", "cat"]}
    tasks = [
        task(0, f"/data/upload/1/{NAMES[0]}", cat, dog, cat),
        task(1, f"/data/upload/1/{NAMES[1]}", cat, dog),
        task(2, f"/data/upload/1/{NAMES[2]}", cat, dog),
        task(3, f"/data/upload/1/{NAMES[3]}"),
    ]
    tasks[2]["annotations"][1]["ground_truth"] = True  # type: ignore[index]
    manifest = ingested(lay(tmp_path / "pets", NAMES, {"project-1.json": json.dumps(tasks)}))
    assert by_path(manifest) == {NAMES[0]: "cat", NAMES[2]: "cat|dog"}
    told = notes_of(manifest)
    assert f"1 image(s) of project-1.json whose annotators disagree are left out: {NAMES[1]}" in told
    assert "1 task(s) of project-1.json without an annotation are left out" in told


def test_of_several_questions_the_setting_names_one(tmp_path: Path) -> None:
    tasks = [task(n, f"/data/upload/1/{name}", {"animal": ["cat", "dog"][n % 2 :][:1], "mood": ["calm"]}) for n, name in enumerate(NAMES)]
    data = lay(tmp_path / "pets", NAMES, {"project-1.json": json.dumps(tasks)})
    with pytest.raises(InputError, match=r"ingest\.label_column"):
        ingested(data)
    assert list(by_path(ingested(data, label_column="animal")).values()) == ["cat", "dog"] * 2


def test_label_studios_regions_count_where_there_are_no_choices(tmp_path: Path) -> None:
    tasks = [task(n, f"/data/upload/1/{name}", {"box": ["cat" if n % 2 else "dog"]}) for n, name in enumerate(NAMES)]
    text = json.dumps(tasks).replace('"choices"', '"rectanglelabels"')
    assert list(by_path(ingested(lay(tmp_path / "pets", NAMES, {"project-1.json": text}))).values()) == ["dog", "cat"] * 2


@pytest.mark.parametrize("several", [False, True])
def test_label_studios_json_min_is_read(tmp_path: Path, several: bool) -> None:
    rows = [
        {"image": f"/data/upload/1/{name}", "id": n, "choice": "cat" if n % 2 else "dog", "annotator": 1, "annotation_id": n,
         "created_at": "2026-05-01T10:00:00Z", "updated_at": "2026-05-01T10:00:00Z", "lead_time": 4.1 + n}
        for n, name in enumerate(NAMES)
    ]  # fmt: skip
    rows[0]["choice"] = {"choices": ["cat", "dog"]} if several else "dog"
    manifest = ingested(lay(tmp_path / "pets", NAMES, {"project-1.json": json.dumps(rows)}))
    assert list(by_path(manifest).values()) == ["cat|dog" if several else "dog", "cat", "dog", "cat"]


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (
            {"choice": ["cat", "dog"], "site": ["A", "B"]},
            "which of its columns is the answer .choice, site.: name it in ingest.label_column",
        ),
        (
            {"label": [[{"x": 1, "rectanglelabels": ["cat"]}], []]},
            "which of its columns is the answer .none has choices.: name it in ingest.label_column, or export it as JSON",
        ),
    ],
    ids=["two texts", "boxes"],
)
def test_json_min_that_does_not_tell_its_answer_is_refused(tmp_path: Path, answer: dict[str, list[object]], message: str) -> None:
    common = {"annotator": 1, "created_at": "2026-05-01T10:00:00Z", "updated_at": "2026-05-01T10:00:00Z", "lead_time": 4.1}
    rows = [
        {"image": f"/data/upload/1/{name}", "id": n, "annotation_id": n, **common, **{key: cells[n % 2] for key, cells in answer.items()}}
        for n, name in enumerate(NAMES)
    ]
    with pytest.raises(InputError, match=message):
        ingested(lay(tmp_path / "pets", [f"images/{name[9:]}" for name in NAMES], {"project-1.json": json.dumps(rows)}))


MIN = {"annotator": 1, "created_at": "2026-05-01T10:00:00Z", "updated_at": "2026-05-01T10:00:00Z", "lead_time": 4.1}
OWN = [name[9:] for name in NAMES]  # as the files are called without Label Studio's beginning


def json_min(cells: dict[str, list[object]]) -> str:
    rows = [{"image": f"/data/upload/1/{name}", "id": n, "annotation_id": n, **MIN, **{key: cell[n] for key, cell in cells.items()}}
            for n, name in enumerate(NAMES)]  # fmt: skip
    return json.dumps(rows)


def test_json_min_with_a_patient_is_read(tmp_path: Path) -> None:
    text = json_min({"choice": ["cat", "dog", "cat", "dog"], "patient": ["p", "p", "q", "q"]})
    manifest = ingested(lay(tmp_path / "pets", OWN, {"project-1.json": text}))
    assert list(by_path(manifest).values()) == ["cat", "dog", "cat", "dog"]
    assert list(by_path(manifest, "group").values()) == ["p", "p", "q", "q"]


def test_the_setting_names_the_answer_of_json_min(tmp_path: Path) -> None:
    text = json_min({"choice": ["cat", "dog", "cat", "dog"], "site": ["A", "B", "B", "A"]})
    data = lay(tmp_path / "pets", OWN, {"project-1.json": text})
    with pytest.raises(InputError, match=r"which of its columns is the answer .choice, site.: name it in ingest\.label_column"):
        ingested(data)
    manifest = ingested(data, label_column="choice")
    assert list(by_path(manifest).values()) == ["cat", "dog", "cat", "dog"]
    assert list(by_path(manifest, "site").values()) == ["A", "B", "B", "A"]
    assert list(by_path(ingested(data, label_column="site")).values()) == ["A", "B", "B", "A"]


PATHS = [["animal", "cat"], ["animal", "dog"], ["plant", "fern"], ["animal", "cat"]]
TAXONOMIES = {
    "JSON": (lambda levels: json.dumps([task(n, f"/data/upload/1/{name}", {"kind": [levels[n]]}) for n, name in enumerate(NAMES)])
             .replace('"choices"', '"taxonomy"'), "project-1.json"),
    "JSON-MIN": (lambda levels: json_min({"kind": [[{"taxonomy": [one]}] for one in levels]}), "project-1.json"),
    "CSV": (lambda levels: "image,id,kind\n" + "".join(
        f'/data/upload/1/{name},{n},"{json.dumps([{"taxonomy": [levels[n]]}]).replace(chr(34), 2 * chr(34))}"\n'
        for n, name in enumerate(OWN)), "labels.csv"),
}  # fmt: skip


@pytest.mark.parametrize("form", TAXONOMIES)
def test_of_a_taxonomy_the_last_level_is_the_label(tmp_path: Path, form: str) -> None:
    write, name = TAXONOMIES[form]
    manifest = ingested(lay(tmp_path / "pets", OWN, {name: write(PATHS)}), label_column="kind")
    assert list(by_path(manifest).values()) == ["cat", "dog", "fern", "cat"]
    assert "the last level is the label, 'cat' of 'animal > cat'" in notes_of(manifest)


@pytest.mark.parametrize("form", TAXONOMIES)
def test_levels_of_one_name_are_told_apart_by_those_above(tmp_path: Path, form: str) -> None:
    write, name = TAXONOMIES[form]
    levels = [["left", "broken"], ["right", "broken"], ["right", "whole"], ["left", "broken"]]
    manifest = ingested(lay(tmp_path / "pets", OWN, {name: write(levels)}), label_column="kind")
    assert list(by_path(manifest).values()) == ["left/broken", "right/broken", "right/whole", "left/broken"]
    assert "all levels are the label, 'left/broken' of 'left > broken'" in notes_of(manifest)


@pytest.mark.parametrize("folder", ["", "/data/upload/1/"])
def test_label_studios_csv_may_have_several_choices_in_a_cell(tmp_path: Path, folder: str) -> None:
    cells = ["cat", '"{""choices"": [""dog"", ""cat""]}"', "dog", ""]
    rows = "".join(f"{folder}{name},{n},{cells[n]},1,{n},4.1\n" for n, name in enumerate(OWN))
    data = lay(tmp_path / "pets", OWN, {"labels.csv": f"image,id,choice,annotator,annotation_id,lead_time\n{rows}"})
    manifest = ingested(data, label_column="choice")
    assert manifest.task == "multilabel"
    assert list(by_path(manifest).values()) == ["cat", "cat|dog", "dog", ""]
    assert "holds choices as Label Studio writes them" in notes_of(manifest)


CVAT = """<?xml version="1.0" encoding="utf-8"?>
<annotations>
  <version>1.1</version>
  <meta><task><id>7</id><name>pets</name><mode>annotation</mode><subset>default</subset>
    <labels><label><name>cat</name><color>#ff0000</color><type>tag</type><attributes></attributes></label></labels>
  </task><dumped>2026-05-01 10:00:00</dumped></meta>
{images}</annotations>
"""


def cvat(images: dict[str, list[str]], kind: str = "tag", subset: str = "") -> str:
    rows = [
        f'  <image id="{number}" name="{name}"{subset and f" subset={chr(34)}{subset}{chr(34)} task_id={chr(34)}7{chr(34)}"} '
        'width="5" height="5">\n'
        + "".join(f'    <{kind} label="{label}" source="manual"><attribute name="age">1</attribute></{kind}>\n' for label in labels)
        + "  </image>\n"
        for number, (name, labels) in enumerate(images.items())
    ]
    return CVAT.format(images="".join(rows))


@pytest.mark.parametrize("kind", ["tag", "box"])
def test_cvats_tags_and_else_its_shapes_are_labels(tmp_path: Path, kind: str) -> None:
    images = {"pets/a.png": ["cat"], "pets/b.png": ["dog", "dog"], "pets/c.png": []}
    manifest = ingested(lay(tmp_path / "export", [f"images/{name}" for name in images], {"annotations.xml": cvat(images, kind)}))
    assert by_path(manifest) == {"images/pets/a.png": "cat", "images/pets/b.png": "dog"}
    assert f"1 image(s) of annotations.xml have no {'tag' if kind == 'tag' else 'shape'}: they are left out" in notes_of(manifest)


def test_cvats_export_may_be_the_source(tmp_path: Path) -> None:
    export = cvat({"a.png": ["cat"], "b.png": ["dog"]})
    data = lay(tmp_path / "export", ["images/a.png", "images/b.png"], {"annotations.xml": export, "labels.csv": "file,label\na.png,x\n"})
    assert by_path(ingested(data / "annotations.xml")) == {"images/a.png": "cat", "images/b.png": "dog"}
    assert data_version(data / "annotations.xml") != data_version(data / "labels.csv")


WITH_SUBSETS = (("cat", "Train"), ("dog", "Test"))


def test_cvats_subsets_are_splits(tmp_path: Path) -> None:
    train, test = (cvat({"a.png": [first], "b.png": ["cat", "dog"]}, subset=subset) for first, subset in WITH_SUBSETS)
    text = train.replace("</annotations>\n", test[test.index("  <image") :])
    paths = [f"images/{subset}/{name}.png" for subset in ("Test", "Train") for name in "ab"]
    manifest = ingested(lay(tmp_path / "export", paths, {"annotations.xml": text}))
    assert list(by_path(manifest).values()) == ["dog", "cat|dog", "cat", "cat|dog"]
    assert list(by_path(manifest, "given_split").values()) == ["test", "test", "train", "train"]
    unclear = lay(
        tmp_path / "unclear", [path.replace("Test", "Holdout") for path in paths], {"annotations.xml": text.replace("Test", "Holdout")}
    )
    with pytest.raises(InputError, match=r"annotations.xml has 'Holdout' in column 'split'"):
        ingested(unclear)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (cvat({}), "is not what CVAT exports"),
        (cvat({"a.png": ["cat"]}).replace("image ", "track ").replace("</image", "</track"), "tracks of a video"),
        (cvat({"a.png": ["cat"]}).replace("</annotations>", ""), "no readable XML"),
        (cvat({"a.png": ["&x;"]}).replace("<annotations>", '<!DOCTYPE a [<!ENTITY x "cat">]><annotations>', 1), "is not what CVAT exports"),
        (cvat({"a.png": ["cat"]}).replace("utf-8", "gb2312"), "no readable XML"),
        (cvat({"a.png": [""]}), "without a label on a.png"),
    ],
    ids=["no image", "video", "cut off", "entities", "character set", "no label"],
)
def test_xml_that_is_no_export_of_images_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        ingested(lay(tmp_path / "export", ["a.png"], {"annotations.xml": text}), table="annotations.xml")


def test_cvats_export_of_another_name_is_told_what_to_be_called(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"export\.xml names files here, but is a \.xml, which is not read: call it annotations\.xml"):
        ingested(lay(tmp_path / "pets", ["cat/a.png", "dog/b.png"], {"export.xml": cvat({"a.png": ["cat"], "b.png": ["dog"]})}))


def test_captions_beside_cocos_instances_are_refused_with_what_to_ignore(tmp_path: Path) -> None:
    images = dict(enumerate(FOUR))
    captions = {"images": json.loads(coco(images, []))["images"], "annotations": [{"id": 1, "image_id": 0, "caption": "a cat"}]}
    texts = {
        "annotations/instances.json": coco(images, [(0, 1), (1, 2), (2, 3), (3, 1)]),
        "annotations/captions.json": json.dumps(captions),
    }
    data = lay(tmp_path / "pets", [f"images/{name}" for name in FOUR], texts)
    with pytest.raises(InputError, match=r"annotations/captions\.json .*name it in ingest\.ignore"):
        ingested(data)
    assert len(ingested(data, ignore=("captions*.json",))) == 4


def test_cvats_imagenet_layout_is_one_of_class_folders(tmp_path: Path) -> None:
    data = lay(tmp_path / "export", ["cat/a.png", "dog/b.png", "no_label/c.png"], {})
    with pytest.raises(InputError, match="no_label"):
        ingested(data)
    assert by_path(ingested(data, ignore=("no_label",))) == {"cat/a.png": "cat", "dog/b.png": "dog"}
