"""People's verdicts hold in every split, before any check, and what can't be applied is named."""

import io
import shutil
from pathlib import Path

import pytest
from PIL import Image

from components.clean.clean import clean
from components.clean.config import CleanConfig
from components.ingest.config import IngestConfig
from components.ingest.ingest import ingest
from darkroom import issues, manifest, verdicts
from darkroom.images import image_id
from darkroom.system.errors import InputError
from darkroom.verdicts import FILE, Verdict, append
from darkroom.versions.data_version import data_version

NAMES = ("cat/0.png", "cat/1.png", "cat/2.png", "dog/0.png", "dog/1.png", "dog/2.png")


def picture(number: int, kind: str = "PNG", **options: int) -> bytes:
    file = io.BytesIO()
    Image.radial_gradient("L").rotate(7 * number).resize((40, 40)).point(lambda value: (value + 40 * number) % 256).save(
        file, kind, **options
    )
    return file.getvalue()


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for number, name in enumerate(NAMES):
        put(tmp_path / "photos" / name, picture(number))
    return tmp_path / "photos"


def put(path: Path, data: bytes) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return image_id(data)


def judge(file: Path, image: str, word: str, label: str = "") -> None:
    append(file, Verdict(image, word, label, "anna", verdicts.now()))


def cleaned(
    source: Path, ingests: dict[str, object] | None = None, **config: object
) -> tuple[dict[str, object], list[tuple[str, str, str]], list[str]]:
    """Labels by path, findings, and notes."""
    folder = (source.parent.parent if source.suffix == ".csv" else source.parent) / "made"  # beside the data
    shutil.rmtree(folder, ignore_errors=True)
    ingest(
        source,
        folder / "images",
        folder / "manifest",
        config=IngestConfig(**(ingests or {})),
        data_version="v",
        verdicts=Path(str(config["verdicts"])) if "verdicts" in config else None,
        verdicts_version=str(config.get("verdicts_version", "")),
    )
    made = [folder / name for name in ("images", "manifest", "cleaned", "issues")]
    measures = clean(
        *made, config=CleanConfig(near_duplicates="off", same_things="off", few_images="off", imbalance="off", blurred="off", **config)
    )
    table, found = manifest.read(folder / "cleaned"), issues.rows(folder / "issues")
    assert table.verdicts == ()
    assert measures["num_dropped"] == issues.num_dropped(folder / "issues")
    labels = table.column("labels" if table.task == "multilabel" else "label")
    return (
        dict(zip(table.column("path"), labels, strict=True)),
        [(one["path"], one["check"], one["action"]) for one in found],
        [str(note) for note in table.notes],
    )


def test_images_are_dropped_and_relabelled_and_findings_say_by_whom(photos: Path) -> None:
    judge(photos / FILE, image_id(picture(0)), "drop")
    judge(photos / FILE, image_id(picture(1)), "drop")
    judge(photos / FILE, image_id(picture(1)), "relabel", "dog")
    judge(photos / FILE, image_id(picture(3)), "relabel", "dog")  # as it is
    judge(photos / FILE, "f" * 64, "drop")
    labels, found, notes = cleaned(photos)
    assert labels == {"cat/1.png": "dog", "cat/2.png": "cat", "dog/0.png": "dog", "dog/1.png": "dog", "dog/2.png": "dog"}
    assert found == [("cat/0.png", "verdict", "dropped"), ("cat/1.png", "verdict", "relabelled")]
    assert "people's verdicts: 1 image(s) dropped, 1 file(s) relabelled, 0 image(s) kept as they are" in notes
    assert "1 verdict(s) are about images that are not in this data, or have no label in it, and change nothing" in notes
    assert f"{FILE}: 5 verdict(s) about 4 image(s)" in notes


def test_a_person_has_the_last_word_on_equal_pixels(photos: Path) -> None:
    copies = [
        put(photos / name, picture(number, compress_level=1)) for name, number in (("dog/3.png", 0), ("cat/9.png", 2), ("dog/9.png", 4))
    ]
    assert [path for path, *_ in cleaned(photos)[1]] == ["cat/0.png", "dog/3.png", "cat/9.png", "dog/9.png"]
    judge(photos / FILE, copies[0], "keep")  # the dog, so no cat
    judge(photos / FILE, copies[1], "keep")
    judge(photos / FILE, image_id(picture(4)), "drop")
    labels, found, _ = cleaned(photos)
    assert labels["dog/3.png"] == "dog" and "cat/9.png" in labels and "dog/9.png" in labels
    assert found == [("dog/1.png", "verdict", "dropped"), ("cat/0.png", "contradictory", "dropped")]
    judge(photos / FILE, image_id(picture(0)), "relabel", "dog")
    labels, found, _ = cleaned(photos)
    assert {"cat/0.png", "dog/3.png"} <= set(labels) and labels["cat/0.png"] == "dog"


def test_equal_files_of_two_classes_are_one_image_once_a_person_says_what_it_shows(photos: Path) -> None:
    put(photos / "dog" / "again.png", picture(0))
    judge(photos / FILE, image_id(picture(0)), "keep")  # which of the two labels, that does not say
    assert not {"cat/0.png", "dog/again.png"} & set(cleaned(photos)[0])
    judge(photos / FILE, image_id(picture(0)), "relabel", "cat")
    labels, found, _ = cleaned(photos)
    assert labels["cat/0.png"] == "cat" and "dog/again.png" not in labels
    assert ("dog/again.png", "duplicate", "dropped") in found


def test_nothing_is_proposed_about_a_small_image_that_a_person_keeps_and_a_broken_one_can_not_be_kept(photos: Path) -> None:
    file = io.BytesIO()
    Image.new("L", (3, 9), 7).save(file, "PNG")
    small, broken = put(photos / "cat" / "small.png", file.getvalue()), put(photos / "cat" / "broken.png", picture(9)[:60])
    for image in (small, broken):
        judge(photos / FILE, image, "keep")
    labels, found, _ = cleaned(photos, min_side_px=4)
    assert "cat/small.png" in labels and found == [("cat/broken.png", "unreadable", "dropped")]


def test_several_labels_are_given_at_once(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    rows = ["path,tags"]
    for number in range(4):
        put(photos / f"{number}.png", picture(number))
        rows.append(f"{number}.png,{'sky|sea' if number % 2 else 'sky'}")
    (photos / "labels.csv").write_text("\n".join(rows))
    judge(photos / FILE, image_id(picture(0)), "relabel", "sea|sky")
    judge(photos / FILE, image_id(picture(1)), "relabel", "")
    for source in (photos, photos / "labels.csv"):
        assert list(cleaned(source, {"task": "multilabel"})[0].values())[:2] == [["sea", "sky"], []]


def test_an_archive_has_its_verdicts_inside_and_at_a_file_of_their_own(photos: Path, tmp_path: Path) -> None:
    judge(photos / FILE, image_id(picture(0)), "drop")
    archive = Path(shutil.make_archive(str(tmp_path / "photos"), "zip", tmp_path, "photos"))
    given = tmp_path / "given.csv"
    assert f"there is no file of verdicts at {given} (clean.verdicts) yet" in " ".join(cleaned(archive, verdicts=str(given))[2])
    judge(given, image_id(picture(3)), "drop")
    version = verdicts.version(given.read_bytes())
    judge(given, image_id(picture(0)), "keep")
    assert {"cat/0.png", "dog/0.png"} - set(cleaned(archive, verdicts=str(given))[0]) == {"dog/0.png"}
    at_the_start = cleaned(archive, verdicts=str(given), verdicts_version=version)[0]
    assert {"cat/0.png", "dog/0.png"} - set(at_the_start) == {"cat/0.png", "dog/0.png"}
    given.unlink()
    with pytest.raises(InputError, match=r"given\.csv \(clean\.verdicts\) is not"):
        cleaned(archive, verdicts=str(given), verdicts_version=version)


def test_what_can_not_be_applied_is_named_with_its_line(photos: Path) -> None:
    judge(photos / FILE, image_id(picture(0)), "relabel", "cow")
    with pytest.raises(InputError, match=rf"{FILE} line 2 relabels an image to 'cow'"):
        cleaned(photos)
    (photos / FILE).write_text(f"image_id,verdict\n{'a' * 64},burn\n")
    with pytest.raises(InputError, match=rf"{FILE} line 2 has the verdict 'burn'"):
        cleaned(photos)
    (photos / FILE).unlink()
    for number in range(len(NAMES)):
        judge(photos / FILE, image_id(picture(number)), "drop")
    with pytest.raises(InputError, match="verdicts drop all 6 files"):
        cleaned(photos)
    assert not (photos.parent / "made" / "cleaned").exists()


def test_verdicts_count_in_the_data_version_and_are_no_table_of_labels(photos: Path) -> None:
    rows = [f"{name},{name[:3]}" for name in NAMES]
    (photos / "labels.csv").write_text("\n".join(["path,label", *rows]))
    for source in (photos, photos / "labels.csv"):
        before = data_version(source)
        judge(photos / FILE, image_id(picture(0)), "drop")
        assert data_version(source) != before
        assert "cat/0.png" not in cleaned(source)[0]
        (photos / FILE).unlink()
    judge(photos / FILE, image_id(picture(0)), "drop")
    with pytest.raises(InputError, match="no table of labels"):
        cleaned(photos, {"table": FILE})
    assert "cat/0.png" in cleaned(photos, {"ignore": (FILE,)})[0]
    (photos / FILE).write_text("path,label\ncat/0.png,dog\n")
    labels, _, notes = cleaned(photos)
    assert labels["cat/0.png"] == "cat" and f"warning: {FILE} has no column image_id" in " ".join(notes)


def test_an_image_without_a_label_has_the_one_that_a_person_gave_it(photos: Path) -> None:
    names = [put(photos / name, picture(number)) for number, name in enumerate(("a.png", "cat/2b.png", "z.png"), 20)]
    rows = [f"{name},{name[:3]},{number}" for number, name in enumerate(NAMES)]
    (photos / "labels.csv").write_text("\n".join(["path,label,age", *rows, "cat/2b.png,,9"]))
    for image in names[:2]:
        judge(photos / FILE, image, "relabel", "dog")
    labels, _, notes = cleaned(photos)
    assert labels["a.png"] == labels["cat/2b.png"] == "dog" and len(labels) == 8
    assert "2 image(s) without a label of their own have the one that a person gave them" in notes
    assert any("9 files" in note or "8 images" in note for note in notes) and not any("-1 ignored" in note for note in notes)
    table = manifest.read(photos.parent / "made" / "cleaned")
    assert dict(zip(table.column("path"), table.column("age"), strict=True)) == {
        **{name: number for number, name in enumerate(NAMES)}, "a.png": None, "cat/2b.png": None,
    }  # fmt: skip
    (photos / "labels.csv").unlink()
    assert cleaned(photos)[0]["a.png"] == "dog"
    judge(photos / FILE, names[0], "relabel", "cow")
    with pytest.raises(InputError, match=rf"{FILE} line 4 relabels an image to 'cow'"):
        cleaned(photos)


def test_beside_a_table_that_is_named_images_of_other_tables_are_left_alone(photos: Path) -> None:
    tables = {"train.csv": NAMES[:4], "test.csv": NAMES[4:]}
    for file, names in tables.items():
        (photos / file).write_text("\n".join(["path,label", *(f"{name},{name[:3]}" for name in names), "new.png,"]))
    (photos / "test.csv").write_text((photos / "test.csv").read_text().replace("dog/2.png,dog", "dog/2.png,cat"))
    new = put(photos / "new.png", picture(20))
    for image, label in ((new, "dog"), (image_id(picture(0)), "dog"), (image_id(picture(5)), "cat")):
        judge(photos / FILE, image, "relabel", label)
    assert set(cleaned(photos / "train.csv")[0]) == {*NAMES[:4], "new.png"}
    assert set(cleaned(photos / "test.csv")[0]) == {*NAMES[4:], "new.png"}


def test_a_verdict_names_a_class_in_any_spelling(photos: Path) -> None:
    (photos / "cat").rename(photos / "Cat")
    judge(photos / FILE, image_id(picture(3)), "relabel", "CAT")
    assert cleaned(photos)[0]["dog/0.png"] == "Cat"
    assert cleaned(photos, {"labels": "fold"})[0]["dog/0.png"] == "cat"


def test_a_label_for_an_image_without_one_counts_beside_an_archive_too(photos: Path, tmp_path: Path) -> None:
    names = [put(photos / name, picture(number)) for number, name in enumerate(("a.png", "z.png"), 20)]
    archive = Path(shutil.make_archive(str(tmp_path / "packed"), "zip", photos))
    file = tmp_path / "judged.csv"
    assert "a.png" not in cleaned(archive, verdicts=str(file))[0]
    judge(file, names[0], "relabel", "dog")
    then = verdicts.version(file.read_bytes())
    judge(file, names[1], "relabel", "cat")
    judge(file, image_id(picture(0)), "drop")
    labels, _, notes = cleaned(archive, verdicts=str(file))
    assert (labels["a.png"], labels["z.png"]) == ("dog", "cat") and "cat/0.png" not in labels
    assert "2 image(s) without a label of their own have the one that a person gave them" in notes
    repeated = cleaned(archive, verdicts=str(file), verdicts_version=then)[0]
    assert repeated["a.png"] == "dog" and "z.png" not in repeated and "cat/0.png" in repeated
    judge(file, names[1], "keep")  # taken back
    assert "z.png" not in cleaned(archive, verdicts=str(file))[0]
    judge(file, names[1], "relabel", "cow")
    with pytest.raises(InputError, match=r"judged.csv line 6 relabels an image to 'cow'"):
        cleaned(archive, verdicts=str(file))
