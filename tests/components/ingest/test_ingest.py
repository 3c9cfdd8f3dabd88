"""Ingest: any source becomes the same images and manifest; what is wrong with it is told in one sentence."""

import datetime
import io
import os
import shutil
import struct
import tarfile
import unicodedata
import zipfile
import zlib
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from PIL import Image

from components.ingest.config import IngestConfig
from components.ingest.ingest import ingest
from darkroom.images import Images
from darkroom.manifest import read
from darkroom.system.errors import InputError
from tests.darkroom.test_picture_info import photograph

SHARED = Path(__file__).resolve().parents[3].parent / "shared" / "data"


def picture(number, kind="PNG"):
    file = io.BytesIO()
    Image.new("RGB", (6 + number % 5, 5), (number % 256, number // 256, 7)).save(file, kind)
    return file.getvalue()


def lay(root, files):
    """Writes files; a number stands for a picture of its own, a text for itself."""
    for number, (path, content) in enumerate(files.items()):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        data = picture(number if content is None else content) if content is None or isinstance(content, int) else content
        (root / path).write_bytes(data.encode() if isinstance(data, str) else data)
    return root


def names(*paths):
    return dict.fromkeys(paths)


def run(source, out, **settings):
    measures = ingest(source, out / "images", out / "manifest.parquet", config=IngestConfig(**settings), data_version="v1")
    return read(out / "manifest.parquet"), measures


def fails(source, out, message, **settings):
    with pytest.raises(InputError, match=message):
        run(source, out, **settings)
    assert not out.exists() or list(out.iterdir()) == []


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out"


@pytest.fixture
def data(tmp_path):
    return tmp_path / "data"


def test_class_folders_become_rows_sorted_by_path(data, out):
    manifest, measures = run(lay(data, names("dog/b.png", "cat/a.png", "cat/deep/c.png", "bird/d.PNG")), out)
    assert manifest.column("path") == ["bird/d.PNG", "cat/a.png", "cat/deep/c.png", "dog/b.png"]
    assert manifest.column("label") == ["bird", "cat", "cat", "dog"]
    assert (manifest.classes, manifest.task, manifest.data_version) == (("bird", "cat", "dog"), "multiclass", "v1")
    assert manifest.column("width") == [9, 7, 8, 6]
    assert measures["num_files"] == measures["num_images"] == 4
    packed = Images(out / "images")
    assert [packed[name] for name in manifest.column("image_id")] == [picture(3), picture(1), picture(2), picture(0)]


def test_folders_of_splits_are_kept_as_given(data, out):
    paths = names("train/a/1.png", "train/b/2.png", "val/a/3.png", "valid/a/4.png", "Validation/b/5.png", "test/b/6.png")
    manifest, _ = run(lay(data, paths), out)
    given = dict(zip(manifest.column("path"), manifest.column("given_split"), strict=True))
    assert [given[path] for path in paths] == ["train", "train", "validation", "validation", "validation", "test"]
    assert manifest.classes == ("a", "b")


def test_a_train_is_a_class_among_vehicles(data, out):
    manifest, _ = run(lay(data, names("train/1.png", "bus/2.png", "car/3.png")), out)
    assert manifest.classes == ("bus", "car", "train")
    assert manifest.column("given_split") == [None] * 3


def test_numbers_are_ordered_as_numbers(data, out):
    manifest, _ = run(lay(data, names("10/a.png", "9/b.png", "007/c.png")), out)
    assert manifest.classes == ("007", "9", "10")


def test_two_classes_are_binary_with_the_second_positive(data, out):
    lay(data, names("normal/a.png", "abnormal/b.png"))
    assert run(data, out)[0].classes == ("abnormal", "normal")
    manifest, _ = run(data, out, positive_class="abnormal")
    assert (manifest.task, manifest.classes) == ("binary", ("normal", "abnormal"))
    fails(data, out / "no", r"ingest\.positive_class is 'x': it must be one of abnormal, normal", positive_class="x")


def test_the_user_may_settle_the_task(data, out):
    lay(data, names("a/1.png", "b/2.png", "c/3.png"))
    assert run(data, out, task="multilabel")[0].column("labels") == [["a"], ["b"], ["c"]]
    fails(data, out / "no", r"ingest\.task is binary, but there are 3 classes \(a, b, c\)", task="binary")
    fails(data, out / "no", r"positive_class is 'a', but the task is multiclass", positive_class="a")


def test_a_file_is_judged_by_its_content(data, out):
    files = {
        "a/scan": None, "a/scan.dcm": None, "a/scan.txt": None, "b/text.jpg": "hello", "b/zero.png": "", "b/good.jpg": 9,
        "b/notes.txt": "x", "b/PROVENANCE.json": "{}", "b/Thumbs.db": "x", "b/.hidden.png": 8, "__MACOSX/b/._good.jpg": "x",
        "a/__pycache__/x.pyc": "x", "README.md": "x",
    }  # fmt: skip
    manifest, measures = run(lay(data, files), out)
    assert manifest.column("path") == ["a/scan", "a/scan.dcm", "a/scan.txt", "b/good.jpg", "b/text.jpg", "b/zero.png"]
    assert manifest.column("width") == [6, 7, 8, 10, None, None]
    assert measures["num_ignored"] == 7


def test_a_file_that_comes_twice_is_stored_once(data, out):
    manifest, measures = run(lay(data, {"a/1.png": 1, "a/2.png": 1, "b/3.png": 2}), out)
    assert len(manifest) == 3
    assert (measures["num_files"], measures["num_images"], len(Images(out / "images"))) == (3, 2, 2)


def test_names_in_other_alphabets_and_forms_are_one_class(data, out):
    composed, taken_apart = (unicodedata.normalize(form, "café") for form in ("NFC", "NFD"))
    manifest, _ = run(lay(data, names(f"{composed}/1 2.png", f"{taken_apart}/ü.png", "кошка/猫.png")), out)
    assert manifest.classes == (composed, "кошка")


def test_a_name_that_is_no_utf8_is_spelled_out(data, out):
    lay(data, names("a/1.png", "b/2.png"))
    try:
        (data / "b" / "2.png").rename(data / "b" / os.fsdecode(b"\xe9.png"))
    except OSError:
        pytest.skip("the file system takes UTF-8 names only")
    assert run(data, out)[0].column("path") == ["a/1.png", "b/\\xe9.png"]


def test_links_are_followed_and_broken_ones_are_unreadable(data, out, tmp_path):
    lay(tmp_path / "store", names("x.png", "more/y.png"))
    lay(data, names("a/1.png"))
    (data / "b").mkdir()
    (data / "b" / "x.png").symlink_to(tmp_path / "store" / "x.png")
    (data / "b" / "gone.png").symlink_to(tmp_path / "nowhere.png")
    (data / "b" / "loop").symlink_to(data, target_is_directory=True)
    (data / "c").symlink_to(tmp_path / "store" / "more", target_is_directory=True)
    manifest, _ = run(data, out)
    assert manifest.column("path") == ["a/1.png", "b/gone.png", "b/x.png", "c/y.png"]
    assert manifest.column("width") == [6, None, 6, 7]


def test_a_file_above_the_limit_is_a_row_that_is_not_packed(data, out):
    lay(data, {"a/1.png": 1, "b/2.png": 2, "b/big.png": picture(3) + bytes(20_000), "b/film.mp4": bytes(20_000)})
    manifest, measures = run(data, out, max_file_mb=0.01)
    assert manifest.column("path") == ["a/1.png", "b/2.png", "b/big.png", "b/film.mp4"]
    assert manifest.column("image_id")[2:] == [None, None]
    assert (measures["num_too_large"], measures["num_undecoded"], measures["num_ignored"], measures["num_images"]) == (1, 1, 0, 2)


def test_a_bomb_is_a_row_with_the_size_it_claims(data, out):
    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", 50_000, 50_000, 1, 0, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(6251 * 500))) + chunk(b"IEND", b"")
    manifest, _ = run(lay(data, {"a/1.png": 1, "b/bomb.png": bomb}), out)
    assert manifest.column("width") == [7, 50_000]


def pack(data, path, prefix=""):
    files = [(str(file.relative_to(data)), file) for file in sorted(data.rglob("*")) if file.is_file()]
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, file in files:
                archive.write(file, prefix + name)
    else:
        compression = {".gz": "gz", ".tgz": "gz", ".xz": "xz", ".bz2": "bz2"}.get(path.suffix, "")
        with tarfile.open(path, f"w:{compression}") as archive:
            archive.add(data, arcname=prefix.rstrip("/") or ".")
    return path


@pytest.mark.parametrize("prefix", ["", "wrap/"], ids=["bare", "wrapped"])
@pytest.mark.parametrize("name", ["a.zip", "a.tar", "a.tar.gz", "a.tgz", "a.tar.xz", "a.tar.bz2"])
@pytest.mark.parametrize("kind", ["folders", "table"])
def test_an_archive_gives_what_its_folder_gives(tmp_path, out, kind, name, prefix):
    files = {"train/ü/1.png": 1, "train/b/2.png": 2, "test/b/3.png": 3, "empty.txt": "", "notes.md": "x"}
    if kind == "table":
        files = {"images/ü.png": 1, "images/2.png": 2, "labels.csv": "file,label\nü,x y\n2,ü\n"}
    lay(tmp_path / "data", files)
    from_folder, folder_measures = run(tmp_path / "data", out / "folder")
    from_archive, archive_measures = run(pack(tmp_path / "data", tmp_path / name, prefix), out / "archive")
    assert from_archive == from_folder
    assert archive_measures == folder_measures


def test_an_archive_of_a_split_or_a_class_is_not_looked_through(tmp_path, out):
    lay(tmp_path / "data", names("train/a/1.png", "train/b/2.png"))
    manifest, _ = run(pack(tmp_path / "data", tmp_path / "a.zip"), out)
    assert manifest.column("given_split") == ["train", "train"]
    shutil.rmtree(tmp_path / "data")
    lay(tmp_path / "data", names("rain/1.png", "rain/2.png"))
    fails(pack(tmp_path / "data", tmp_path / "b.zip"), tmp_path / "no", "only one class, 'rain'")


def test_the_same_source_gives_the_same_bytes(data, out):
    lay(data, names("a/1.png", "b/2.png", "b/3.png"))
    for name in ("x", "y"):
        run(data, out / name)
    for file in ("manifest.parquet", "images/images-00000.arrow"):
        assert (out / "x" / file).read_bytes() == (out / "y" / file).read_bytes()


def test_what_is_missing_or_of_the_wrong_kind_is_told(tmp_path, data, out):
    fails(tmp_path / "nowhere", out, r"nowhere does not exist")
    (tmp_path / "file.jpg").write_bytes(picture(1))
    fails(tmp_path / "file.jpg", out, r"file\.jpg is no folder, table")
    data.mkdir()
    fails(data, out, r"data is empty \(no image in it\)")
    lay(data, {"a/x.txt": "hello"})
    fails(data, out, r"data holds no image")
    lay(data, {"a/x.png": 1})
    fails(data, out, r"data holds only one class, 'a': at least two classes are needed")


def test_a_folder_around_the_class_folders_is_pointed_out(data, out):
    lay(data, names("weather/rain/1.png", "weather/sun/2.png"))
    fails(data, out, r"only one class, 'weather'.*if the folders in weather/ are the classes, name .*data/weather")
    (data / "classes.txt").write_text("rain\nsun\n")  # beside which the folder is no mere wrapping
    fails(pack(data, data.parent / "packed.zip"), out, r"only one class, 'weather'.*if the folders in weather/ are the classes, pack what")


def test_pipes_are_not_opened(data, out):
    lay(data, names("a/1.png", "b/2.png"))
    os.mkfifo(data / "b" / "pipe.png")
    manifest, measures = run(data, out)
    assert (len(manifest), measures["num_ignored"]) == (2, 1)


def test_images_without_class_folders_are_told(data, out):
    fails(lay(data, names("1.png", "2.png")), out, r"data holds 2 image\(s\) \(1\.png, 2\.png\) but no class folders")


def test_a_split_without_class_folders_is_told(data, out):
    lay(data, names("train/a/1.png", "train/b/2.png", "val/3.png"))
    fails(data, out, r"val/ in .*data is a split, but 1 image\(s\) lie in it without a class folder \(val/3\.png\)")


def test_images_beside_class_folders_are_counted_and_named(data, out, capsys):
    _, measures = run(lay(data, names("logo.png", "a/1.png", "b/2.png")), out)
    assert measures["num_ignored"] == 1
    assert "1 file(s) beside the class folders are ignored: logo.png" in capsys.readouterr().out


def test_classes_that_differ_in_case_only_are_pointed_out(data, out, capsys):
    manifest, _ = run(lay(data, names("Cat/1.png", "cat/2.png", "cat/3.png", "dog/4.png")), out)
    assert manifest.classes == ("Cat", "cat", "dog")
    warning = "warning: labels that differ in case or blanks only are different classes: 'cat' (2) and 'Cat' (1): set ingest.labels to fold"
    assert warning in capsys.readouterr().out


def test_classes_that_differ_in_case_only_are_one_where_they_are_folded(data, out, capsys):
    manifest, _ = run(lay(data, names("Cat/1.png", "cat/2.png", "cat/3.png", "dog/4.png")), out, labels="fold")
    assert manifest.classes == ("cat", "dog")
    assert manifest.column("label") == ["cat", "cat", "cat", "dog"]
    said = capsys.readouterr().out
    assert "labels are in small letters, with single blanks (ingest.labels is fold): 'Cat' (1) is 'cat'" in said and "warning" not in said


def test_a_folded_label_is_the_same_whatever_others_there_are(data, out):
    manifest, _ = run(lay(data, names("Red  Hat/1.png", "Cat/3.png")), out, labels="fold", positive_class="Cat")
    assert manifest.classes == ("red hat", "cat") and manifest.column("label") == ["cat", "red hat"]


@pytest.mark.parametrize("cells", [("red shirt", "Red  Shirt ", "red shirt", "hat"), ("a|B", "A|b", "a|b", "c")])
def test_labels_of_a_table_are_folded_too(data, out, cells):
    rows = "".join(f"{number}.png,{cell}\n" for number, cell in enumerate(cells))
    lay(data, names(*(f"{number}.png" for number in range(4))))
    (data / "t.csv").write_text(f"filename,label\n{rows}3.png,{cells[3].upper()}\n")
    manifest, _ = run(data, out, labels="fold")
    assert len(set(map(tuple, manifest.label_lists()))) == 2
    assert len(manifest) == 4
    with pytest.raises(InputError, match=r"names '3\.png' twice, with different labels"):
        run(data, out)


def test_rows_that_come_twice_are_read_once_and_named(data, out, capsys):
    lay(data, names("1.png", "2.png", "3.png"))
    (data / "t.csv").write_text("filename,label\n1.png,a\n2.png,b\n3.png,a\n2.png,b\n1.png,a\n1.png,a\n")
    manifest, _ = run(data, out)
    assert manifest.column("label") == ["a", "b", "a"]
    assert "3 row(s) of t.csv name a file again and say the same, one row is read: 1.png, 2.png" in capsys.readouterr().out


def test_data_of_empty_files_alone_are_refused(data, out):
    lay(data, {"a/1.png": b"", "b/2.png": b""})
    fails(data, out, "all 2 files are empty: copy or fetch them again")


def test_a_manifest_says_what_the_headers_say(data, out):
    photo = photograph(maker="Acme", model="One", taken="2024:05:06 07:08:09")
    lay(data, names("a/1.png") | {"b/2.jpg": photo, "b/3.jpg": b""})
    manifest, _ = run(data, out)
    assert manifest.column("image_format") == ["PNG", "JPEG", None]
    assert manifest.column("image_mode") == ["RGB", "RGB", None]
    assert manifest.column("image_bytes") == [(data / "a/1.png").stat().st_size, len(photo), 0]
    assert manifest.column("exif_orientation") == [None, 6, None]
    assert manifest.column("exif_taken_at") == [None, datetime.datetime(2024, 5, 6, 7, 8, 9), None]
    assert manifest.column("exif_camera") == [None, "Acme One", None]
    assert manifest.with_frame(manifest.frame()) == manifest


def test_a_failure_leaves_earlier_outputs_as_they_were(data, out):
    run(lay(data, names("a/1.png", "b/2.png")), out)
    before = (out / "manifest.parquet").read_bytes()
    shutil.rmtree(data / "b")
    with pytest.raises(InputError, match="only one class"):
        run(data, out)
    assert (out / "manifest.parquet").read_bytes() == before
    assert sorted(path.name for path in out.iterdir()) == ["images", "manifest.parquet"]


@pytest.mark.slow
def test_real_class_folders_in_folders_of_splits(out):
    if not (SHARED / "clothing_small").exists():
        pytest.skip("the set clothing_small is not beside the project")
    manifest, measures = run(SHARED / "clothing_small", out)
    assert (measures["num_files"], measures["num_images"]) == (3781, 3781)
    assert set(manifest.column("given_split")) == {"train", "validation", "test"}


def test_a_real_table_of_several_labels(out):
    if not (SHARED / "bccd_multilabel").exists():
        pytest.skip("the set bccd_multilabel is not beside the project")
    manifest, _ = run(SHARED / "bccd_multilabel", out)
    assert (manifest.classes, manifest.task) == (("RBC", "WBC", "Platelets"), "multilabel")
    assert manifest.targets().sum(axis=0).tolist() == [349, 358, 201]
    assert pq.read_schema(out / "manifest.parquet").names == [
        "path", "image_id", "labels", "width", "height", "group", "given_split",
        "image_mode", "image_format", "image_bytes", "exif_orientation", "exif_taken_at", "exif_camera",
    ]  # fmt: skip


def test_without_data_what_is_written_is_empty(tmp_path: Path) -> None:
    measures = ingest(None, tmp_path / "images", tmp_path / "manifest", config=IngestConfig())
    assert set(measures.values()) == {0.0}
    assert len(Images(tmp_path / "images")) == len(read(tmp_path / "manifest")) == 0


def test_of_a_source_without_labels_each_image_counts_whatever_folder_or_table_it_is_in(tmp_path):
    files = {
        "1.png": 1,
        "cat/2.png": 2,
        "cat/again.png": 2,
        "left/out/3.png": 3,
        "labels.csv": "file,label\n1.png,cat\n",
        "notes.txt": "no",
    }
    source = lay(tmp_path / "pile", files)
    manifest, measures = run(source, tmp_path, unlabelled=True, ignore=("left",))
    assert manifest.column("path") == ["1.png", "cat/2.png", "cat/again.png"]
    assert manifest.column("label") == [None] * 3
    assert (manifest.classes, measures["num_files"], measures["num_images"]) == ((), 3, 2)
    assert manifest.notes[-1].text.startswith("3 files, 2 images, no labels, ")
    assert set(manifest.column("image_id")) <= set(Images(tmp_path / "images"))
