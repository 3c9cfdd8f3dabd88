"""Clean: what is dropped, what is kept, and that every file is accounted for."""

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from components.clean.class_balance import TABLE_CHECKS
from components.clean.clean import clean
from components.clean.config import CleanConfig
from components.clean.odd_images import ODD_CHECKS
from components.ingest.config import IngestConfig
from components.ingest.ingest import ingest
from darkroom import issues as issue_table
from darkroom.images import ImageWriter, image_id
from darkroom.manifest import Manifest, make_table, read
from darkroom.system.errors import InputError

SHARED = Path(__file__).resolve().parents[3].parent / "shared" / "data"


def encode(number, kind="PNG", side=8, **options):
    """A picture of its own for every number."""
    pixels = np.random.default_rng(number).integers(0, 256, (side, side + 2, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind, **options)
    return file.getvalue()


def lay(folder, rows, task="multiclass", classes=("a", "b", "c")):
    """Packs rows of path, bytes, label(s) and, where there is one, the given split."""
    with ImageWriter(folder / "images") as writer:
        for row in rows:
            writer.add(row[1])
    rows = sorted(rows, key=lambda row: row[0])
    table = make_table(
        {
            "path": [row[0] for row in rows],
            "image_id": [image_id(row[1]) for row in rows],
            "labels" if task == "multilabel" else "label": [row[2] for row in rows],
            "width": [None] * len(rows),
            "height": [None] * len(rows),
            "group": [None] * len(rows),
            "given_split": [row[3] if len(row) > 3 else None for row in rows],
        }
    )
    Manifest(table, classes, task, "v1").write(folder / "manifest.parquet")
    return folder


def run(folder, **config):
    paths = [folder / name for name in ("images", "manifest.parquet", "cleaned.parquet", "issues.parquet")]
    measures = clean(*paths, config=CleanConfig(few_images="off", **config))
    found = issue_table.read(paths[3])
    return read(paths[2]), list(zip(found["path"], found["check"], found["action"], strict=True)), measures


GOOD = [("g/1", encode(1), "a"), ("g/2", encode(2), "b"), ("g/3", encode(3), "c")]
GOOD_PATHS = ["g/1", "g/2", "g/3"]


def test_good_images_are_kept_with_a_cluster_of_their_own_and_their_size(tmp_path):
    kept, found, measures = run(lay(tmp_path, GOOD))
    assert kept.column("path") == GOOD_PATHS
    assert (kept.column("width"), kept.column("height")) == ([10] * 3, [8] * 3)
    assert len(set(kept.column("cluster"))) == 3
    assert found == []
    assert measures == {
        "num_kept": 3, "num_dropped": 0, "num_unreadable": 0, "num_undecoded": 0, "num_refused": 0,
        "num_small": 0, "num_verdict": 0, "num_contradictory": 0, "num_duplicate": 0, "num_near_duplicate": 0, "num_same_thing": 0,
        "num_mislabelled": 0,
        **{f"num_{check}": 0 for check in (*ODD_CHECKS, *TABLE_CHECKS)},
    }  # fmt: skip
    assert (kept.classes, kept.task, kept.data_version) == (("a", "b", "c"), "multiclass", "v1")


def test_unreadable_files_are_dropped(tmp_path):
    cut = encode(9, "JPEG", side=64)
    bad = [("bad/cut", cut[: len(cut) // 2], "a"), ("bad/empty", b"", "b"), ("bad/text.jpg", b"hello", "b")]
    kept, found, measures = run(lay(tmp_path, GOOD + bad))
    assert kept.column("path") == GOOD_PATHS
    assert found == [(path, "unreadable", "dropped") for path, *_ in bad]
    details = issue_table.read(tmp_path / "issues.parquet")
    assert details["score"].tolist() == [len(data) for _, data, _ in bad]
    assert details["detail"].tolist()[1:] == ["can't be used: the file is empty", "can't be used: not an image"]
    assert (measures["num_unreadable"], measures["num_dropped"]) == (3, 3)


def test_bombs_and_files_that_were_not_packed_are_refused(tmp_path):
    bomb = bytearray(encode(9))
    bomb[16:24] = (50_000).to_bytes(4, "big") * 2
    bomb[29:33] = __import__("zlib").crc32(bytes(bomb[12:29])).to_bytes(4, "big")
    lay(tmp_path, [*GOOD, ("x/bomb.png", bytes(bomb), "a"), ("y/large.png", encode(8), "b")])
    manifest = read(tmp_path / "manifest.parquet")
    frame = manifest.frame()
    frame.loc[frame["path"] == "y/large.png", "image_id"] = None
    manifest.with_frame(frame).write(tmp_path / "manifest.parquet")
    _, found, measures = run(tmp_path)
    assert found == [("x/bomb.png", "refused", "dropped"), ("y/large.png", "refused", "dropped")]
    assert measures["num_refused"] == 2
    assert "50,000 x 50,000 pixels" in issue_table.read(tmp_path / "issues.parquet")["detail"][0]


def test_small_images_are_only_proposed_to_be_dropped_and_only_if_that_is_wanted(tmp_path):
    small = [("s/1", encode(7, side=1), "a"), ("s/3", encode(8, side=3), "a"), ("s/4", encode(9, side=4), "a")]
    assert run(lay(tmp_path, GOOD + small))[1] == []
    kept, found, measures = run(tmp_path, min_side_px=4)
    assert found == [("s/1", "small", "drop proposed"), ("s/3", "small", "drop proposed")]
    assert kept.column("path") == [*GOOD_PATHS, "s/1", "s/3", "s/4"]
    assert kept.column("proposed_action") == [None] * len(GOOD_PATHS) + ["drop", "drop", None]
    assert (measures["num_small"], measures["num_dropped"]) == (2, 0)
    run(tmp_path, min_side_px=8)
    assert issue_table.read(tmp_path / "issues.parquet")["score"].tolist() == [1 - 1 / 8, 1 - 3 / 8, 0.5]  # higher is worse


def test_copies_are_found_in_any_format_and_one_is_kept(tmp_path):
    copies = [
        ("d/bmp", encode(1, "BMP"), "a"), ("d/png", encode(1, compress_level=0), "a"), ("d/same", encode(1), "a"),
        ("d/tiff", encode(1, "TIFF"), "a"), ("d/webp", encode(1, "WEBP", lossless=True), "a"), ("d/jpeg", encode(1, "JPEG"), "a"),
    ]  # fmt: skip
    kept, found, measures = run(lay(tmp_path, GOOD + copies))
    assert kept.column("path") == ["d/bmp", "d/jpeg", "g/2", "g/3"]
    assert found == [(path, "duplicate", "dropped") for path in ("d/png", "d/same", "d/tiff", "d/webp", "g/1")]
    assert measures["num_duplicate"] == 5
    assert issue_table.read(tmp_path / "issues.parquet")["detail"][0] == "shows the same pixels as d/bmp"


def test_findings_have_pictures_as_far_as_they_are_asked_for(tmp_path):
    folder = lay(tmp_path, [*GOOD, ("g/4", encode(1, "BMP"), "a"), ("g/5", encode(2, "BMP"), "b")])
    run(folder)
    (row, shown), (_, second) = issue_table.illustrated(folder / "issues.parquet")
    assert (row["check"], row["path"], row["other"], shown.given_labels) == ("duplicate", "g/4", "g/1", ["a"])
    assert shown.other_id == image_id(encode(1))
    assert shown.picture == shown.other_picture != second.picture
    run(folder, num_pictures=1)
    assert len(issue_table.illustrated(folder / "issues.parquet")) == 1


def test_the_same_pixels_in_another_shape_are_another_picture(tmp_path):
    wide, tall = (Image.new("L", size, 7) for size in ((16, 4), (8, 8)))
    files = []
    for image in (wide, tall):
        file = io.BytesIO()
        image.save(file, "PNG")
        files.append(file.getvalue())
    assert run(lay(tmp_path, [("1", files[0], "a"), ("2", files[1], "b")]))[1] == []


def test_flagged_copies_stay_in_one_cluster_and_equal_files_do_not(tmp_path):
    copies = [("d/bmp", encode(1, "BMP"), "a"), ("d/same", encode(1), "a")]
    kept, found, _ = run(lay(tmp_path, GOOD + copies), duplicates="flag")
    assert found == [("d/same", "duplicate", "flagged"), ("g/1", "duplicate", "dropped")]
    clusters = dict(zip(kept.column("path"), kept.column("cluster"), strict=True))
    assert list(clusters) == ["d/bmp", "d/same", "g/2", "g/3"]
    assert clusters["d/bmp"] == clusters["d/same"]
    assert len(set(clusters.values())) == 3
    assert len(set(kept.column("image_id"))) == 4


def test_a_copy_in_the_given_test_split_is_the_one_that_stays(tmp_path):
    rows = [
        ("a/train", encode(1), "a", "train"), ("b/test", encode(1, "BMP"), "a", "test"), ("c/train", encode(2), "b", "train"),
        ("d/val", encode(2, "BMP"), "b", "validation"), ("e/none", encode(2, "TIFF"), "b"),
    ]  # fmt: skip
    kept, _, _ = run(lay(tmp_path, rows))
    assert kept.column("path") == ["b/test", "d/val"]


CONTRADICTION = [("x/1", encode(7), "a"), ("x/2", encode(7, "BMP"), "b"), ("x/3", encode(7), "a")]


@pytest.mark.parametrize(
    ("setting", "paths", "actions"),
    [
        ("drop", GOOD_PATHS, ["dropped"] * 3),
        ("keep_first", [*GOOD_PATHS, "x/1"], ["flagged", "dropped", "dropped"]),
        ("flag", [*GOOD_PATHS, "x/1", "x/2"], ["flagged", "flagged", "dropped"]),
    ],
)
def test_copies_with_different_labels_are_treated_as_set(tmp_path, setting, paths, actions):
    kept, found, measures = run(lay(tmp_path, GOOD + CONTRADICTION), contradictions=setting)
    assert kept.column("path") == paths
    assert found == [(path, "contradictory", action) for (path, *_), action in zip(CONTRADICTION, actions, strict=True)]
    assert measures["num_contradictory"] == 3
    assert measures["num_kept"] + measures["num_dropped"] == 6
    details = issue_table.read(tmp_path / "issues.parquet")
    assert details["detail"][0] == "is labelled 'a', and x/2 with the same pixels 'b'"
    assert details["score"].tolist() == [2, 2, 2]


def test_several_labels_contradict_where_the_sets_differ(tmp_path):
    rows = [
        ("1", encode(1), ["a", "b"]), ("2", encode(1, "BMP"), ["b", "a"]), ("3", encode(2), ["a"]), ("4", encode(2, "BMP"), []),
        ("5", encode(3), ["c"]),
    ]  # fmt: skip
    kept, found, _ = run(lay(tmp_path, rows, task="multilabel"))
    assert found == [("2", "duplicate", "dropped"), ("3", "contradictory", "dropped"), ("4", "contradictory", "dropped")]
    assert kept.column("labels") == [["a", "b"], ["c"]]
    assert issue_table.read(tmp_path / "issues.parquet")["detail"][2] == "is labelled nothing, and 3 with the same pixels 'a'"


def test_pictures_turned_upright_are_copies(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 3
    upright = Image.open(io.BytesIO(encode(1)))
    files = []
    for image, options in ((upright, {}), (upright.rotate(180), {"exif": exif})):
        file = io.BytesIO()
        image.save(file, "PNG", **options)
        files.append(file.getvalue())
    assert run(lay(tmp_path, [*GOOD[1:], ("x/1", files[0], "a"), ("x/2", files[1], "a")]))[1] == [("x/2", "duplicate", "dropped")]


def test_no_readable_image_is_told(tmp_path):
    lay(tmp_path, [("1", b"x", "a"), ("2", b"y", "b")])
    with pytest.raises(InputError, match=r"no readable image among the 2 delivered: 1 can't be used: not an image"):
        run(tmp_path)
    assert not (tmp_path / "cleaned.parquet").exists()


def test_fewer_than_two_classes_left_is_told(tmp_path):
    lay(tmp_path, [("1", encode(1), "a"), ("2", b"y", "b")], classes=("a", "b"))
    with pytest.raises(
        InputError, match=r"only one class, 'a', is left of 'a', 'b' after cleaning, which left out 1 of 2 files \(such as 2:"
    ):
        run(tmp_path)
    lay(tmp_path, CONTRADICTION)
    with pytest.raises(InputError, match="no class is left of 'a', 'b', 'c'"):
        run(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["images", "manifest.parquet"]


def test_the_same_input_gives_the_same_bytes_and_stays_as_it_was(tmp_path):
    lay(tmp_path, GOOD + CONTRADICTION + [("z", b"", "a")])
    before = [path.read_bytes() for path in (tmp_path / "manifest.parquet", tmp_path / "images/images-00000.arrow")]
    results = []
    for _ in range(2):
        run(tmp_path)
        results.append([(tmp_path / name).read_bytes() for name in ("cleaned.parquet", "issues.parquet")])
    assert results[0] == results[1]
    assert before == [path.read_bytes() for path in (tmp_path / "manifest.parquet", tmp_path / "images/images-00000.arrow")]


def test_each_check_is_told_in_a_line(tmp_path, capsys):
    run(lay(tmp_path, [*GOOD, ("x", b"", "a")]))
    said = ["warning: unreadable: 1 found, 1 dropped, such as x can't be used: the file is empty", "3 files kept"]
    said.append("labels are not judged, as there are no embeddings")
    assert capsys.readouterr().out.splitlines() == said


FILES = [encode(number, kind, side=side) for number in range(3) for kind in ("PNG", "BMP") for side in (3, 8)] + [b"", b"text"]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    chosen=st.lists(st.tuples(st.sampled_from(FILES), st.sampled_from("abc"), st.sampled_from(["train", "test", None])), max_size=14),
    duplicates=st.sampled_from(["drop", "flag"]),
    contradictions=st.sampled_from(["drop", "keep_first", "flag"]),
)
def test_no_file_is_lost(tmp_path_factory, chosen, duplicates, contradictions):
    rows = [(f"x/{number:02d}", *row) for number, row in enumerate(chosen)]
    anchors = [("y/1", encode(101), "a"), ("y/2", encode(102), "b")]
    folder = lay(tmp_path_factory.mktemp("clean"), rows + anchors)
    kept, found, measures = run(folder, duplicates=duplicates, contradictions=contradictions)
    dropped = [path for path, _, action in found if action == "dropped"]
    assert sorted(kept.column("path") + dropped) == sorted(row[0] for row in rows + anchors)
    assert measures["num_kept"] + measures["num_dropped"] == len(rows) + len(anchors)
    assert len(set(kept.column("image_id"))) == len(kept)
    assert all(kept.column("cluster"))
    if duplicates == contradictions == "drop":
        assert len(set(kept.column("cluster"))) == len(kept)


@pytest.mark.parametrize("name", ["weather4", pytest.param("bccd_multilabel", marks=pytest.mark.slow)])
def test_real_sets(tmp_path, name):
    if not (SHARED / name).exists():
        pytest.skip(f"the set {name} is not beside the project")
    packed = ingest(SHARED / name, tmp_path / "images", tmp_path / "manifest.parquet", config=IngestConfig())
    kept, found, measures = run(tmp_path, near_duplicates="off", same_things="off")
    expected = {"weather4": (1123, 1097, 26), "bccd_multilabel": (364, 364, 0)}[name]
    assert (packed["num_files"], len(kept), measures["num_dropped"]) == expected
    assert set(kept.column("given_split")) == {None}
    assert {check for _, check, _ in found} - {*ODD_CHECKS, *TABLE_CHECKS} <= {"duplicate"}


def test_nothing_in_nothing_out(tmp_path):
    images, manifest, cleaned, issues = (tmp_path / name for name in ("images", "manifest", "cleaned", "issues"))
    ingest(None, images, manifest, config=IngestConfig())
    measures = clean(images, manifest, cleaned, issues, config=CleanConfig())
    assert set(measures.values()) == {0.0}
    assert len(read(cleaned)) == len(issue_table.read(issues)) == 0
