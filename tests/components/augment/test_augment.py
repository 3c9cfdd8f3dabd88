"""The whole step: files in, files out."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from components.augment import copies
from components.augment.augment import augment
from components.augment.config import AugmentConfig
from components.augment.mirroring import Limits, Mirroring, kept_labels
from darkroom import manifest
from darkroom.augmentation import policy
from darkroom.augmentation.policy import OPERATIONS, Policy
from darkroom.augmentation.policy_settings import make_policy
from darkroom.file_store import COPIES, PARTS, SOURCES
from darkroom.images import Images, ImageWriter, image_id
from darkroom.manifest import Manifest, make_table
from darkroom.part import parts
from darkroom.pixels import decode
from darkroom.system.config import parse
from darkroom.system.errors import InputError
from darkroom.system.files import read_json
from darkroom.task import Task

OUTPUTS = ("augmented_images", "examples", "policy", "contact_sheet")
EVERY = {"hue_degrees": 10.0, "horizontal_flip": 0.5, "vertical_flip": 0.5, "grey": 0.1, "blur": 0.01, "jpeg": 50}
ONLY_CHOSEN = {"sharpness", "posterize", "solarize", "autocontrast", "equalize"}  # by published policies
SPLIT = {f"{way}_{what}" for way in ("horizontal", "vertical") for what in ("shear", "translation")}
LIMITS = Limits(min_skill=0.3, min_kept=0.85, min_kept_by_label=0.5)
GOOD, BAD, SILENT = (Mirroring(np.full(2, plain), np.full(2, mirrored), LIMITS) for plain, mirrored in ((1.0, 1.0), (1.0, 0.0), (0.0, 0.0)))


def picture(number: int, side: int = 10) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(number).integers(0, 256, (side, side + 2, 3)).astype(np.uint8)).save(file, "PNG")
    return file.getvalue()


def data(
    folder: Path,
    labels: list[Any],
    splits: list[str],
    task: Task = "multiclass",
    classes: tuple[str, ...] = ("a", "b", "c"),
    side: int = 10,
) -> None:
    with ImageWriter(folder / "images") as writer:
        names = [writer.add(picture(number, side)) for number in range(len(labels))]
    numbers = range(len(labels))
    columns = {
        "path": [f"{number}.png" for number in numbers],
        "image_id": names,
        "labels" if task == "multilabel" else "label": labels,
        "width": [12] * len(labels),
        "height": [10] * len(labels),
        "group": [f"g{number}" for number in numbers],
        "given_split": splits,
        "cluster": [None] * len(labels),
        "split": splits,
        "trust": list(numbers),
    }
    Manifest(make_table(columns, {"trust": pa.int64()}), classes, task, "v1").write(folder / "splits")


def run(folder: Path, out: str = "out", store: Path | None = None, part: str = "", **values: Any) -> dict[str, float]:
    paths, config = [folder / out / name for name in OUTPUTS], parse(AugmentConfig, "augment", {"target_share": 0.5, **values})
    return augment(folder / "images", folder / "splits", *paths, config=config, store=store, part=part)


def uneven(folder: Path, side: int = 10) -> None:
    data(folder, ["a"] * 20 + ["b"] * 12 + ["c"] * 3 + ["c"] * 4, ["train"] * 35 + ["validation", "test", "test", "excluded"], side=side)


def made(folder: Path) -> dict[str, bytes]:
    """The bytes of all files that a run has written, by their paths."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The seeds of the copies that are drawn, as they are."""
    found, plain = list[str](), copies.copy

    def draw(data: bytes, policy: Policy, max_side_px: int, seed: str) -> copies.Copy:
        found.append(seed)
        return plain(data, policy, max_side_px, seed)

    monkeypatch.setattr(copies, "copy", draw)
    return found


def test_small_classes_get_copies_in_training(tmp_path: Path) -> None:
    uneven(tmp_path)
    measures = run(tmp_path)
    assert {name: measures[name] for name in ("num_copies", "smallest_share_before", "smallest_share_after")} == {
        "num_copies": 7,
        "smallest_share_before": 0.15,
        "smallest_share_after": 0.5,
    }
    examples, splits = manifest.read(tmp_path / "out/examples"), manifest.read(tmp_path / "splits")
    assert examples.table.slice(0, 39).select(splits.table.column_names).equals(splits.table)
    assert (examples.classes, examples.task, examples.data_version) == (splits.classes, splits.task, "v1")
    rows = examples.table.slice(39).to_pylist()
    packed = Images(tmp_path / "images", tmp_path / "out/augmented_images")
    for row in rows:
        number, source = row["path"].removeprefix("augmented/").split("/")
        original = splits.column("path").index(source)
        assert row["source_id"] == splits.column("image_id")[original]
        assert (row["label"], row["group"], row["split"], row["given_split"]) == ("c", f"g{original}", "train", None)
        assert row["trust"] == original  # a column of the user's own
        assert int(number) in (1, 2, 3)
        assert row["image_id"] == image_id(packed[row["image_id"]]) != row["source_id"]
        assert decode(packed[row["image_id"]]).size == (row["width"], row["height"]) == (12, 10)
    assert len({row["path"] for row in rows}) == 7
    assert examples.column("source_id")[:39] == [None] * 39


def test_only_training_images_are_ever_read(tmp_path: Path) -> None:
    uneven(tmp_path)
    training = manifest.read(tmp_path / "splits").where("train").column("image_id")
    measures = run(tmp_path)
    held = Images(tmp_path / "images")
    files = {name: held[name] for name in training}
    for path in (tmp_path / "images").iterdir():
        path.unlink()
    with ImageWriter(tmp_path / "images") as writer:  # the images of the other splits are gone: nothing changes
        for file in files.values():
            writer.add(file)
    assert run(tmp_path, out="again") == measures
    for name in ("examples", "policy", "contact_sheet"):
        assert (tmp_path / "again" / name).read_bytes() == (tmp_path / "out" / name).read_bytes()
    sources = set(manifest.read(tmp_path / "out/examples").column("source_id")) - {None}
    assert sources <= set(training)


def test_same_seed_makes_the_same_bytes_and_another_seed_other_copies(tmp_path: Path) -> None:
    uneven(tmp_path)
    for out, seed in (("first", 0), ("again", 0), ("other", 1)):
        run(tmp_path, out=out, seed=seed)
    files = sorted(path.relative_to(tmp_path / "first") for path in (tmp_path / "first").rglob("*") if path.is_file())
    assert len(files) == 4
    for name in files:
        assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "again" / name).read_bytes()
    shards = [(tmp_path / out / "augmented_images/images-00000.arrow").read_bytes() for out in ("first", "other")]
    assert shards[0] != shards[1]


def test_inputs_stay_untouched(tmp_path: Path) -> None:
    uneven(tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    run(tmp_path)
    assert {path: path.read_bytes() for path in before} == before


def test_nothing_to_balance_leaves_an_empty_shard(tmp_path: Path) -> None:
    data(tmp_path, ["a"] * 6 + ["b"] * 5 + ["c"] * 5, ["train"] * 14 + ["validation", "test"])
    assert run(tmp_path)["num_copies"] == 0
    assert [path.name for path in (tmp_path / "out/augmented_images").iterdir()] == ["images-00000.arrow"]
    assert len(Images(tmp_path / "out/augmented_images")) == 0
    assert len(manifest.read(tmp_path / "out/examples")) == 16


def test_rare_labels_get_copies_too(tmp_path: Path) -> None:
    labels = [["a"]] * 16 + [["a", "b"]] * 2 + [["b"]] * 2 + [[]] * 2
    data(tmp_path, labels, ["train"] * 22, "multilabel", ("N/A", "a", "b"))
    measures = run(tmp_path)
    assert measures["smallest_share_before"] == pytest.approx(4 / 18)
    assert measures["num_copies"] == 5
    copies = manifest.read(tmp_path / "out/examples").column("labels")[22:]
    assert all("b" in labels for labels in copies)
    assert manifest.read(tmp_path / "out/examples").classes == ("N/A", "a", "b")


def test_copy_whose_path_is_taken_gets_another_number(tmp_path: Path) -> None:
    uneven(tmp_path)
    splits = manifest.read(tmp_path / "splits")
    frame = splits.frame()
    frame.loc[0, "path"] = "augmented/1/32.png"
    splits.with_frame(frame).write(tmp_path / "splits")
    run(tmp_path)
    paths = manifest.read(tmp_path / "out/examples").column("path")
    assert len(set(paths)) == len(paths) == 46
    assert {"augmented/1/33.png", "augmented/2/32.png"} <= set(paths[39:])


@pytest.mark.parametrize(
    ("total", "num_copies", "side"),
    [
        pytest.param(1, 7, 10, id="one"),
        pytest.param(2, 7, 10, id="two"),
        pytest.param(3, 7, 80, id="three-of-JPEG", marks=pytest.mark.slow),
        pytest.param(4, 2, 10, id="more-than-copies"),
        pytest.param(2, 0, 10, id="no-copies"),
    ],
)
def test_parts_and_then_all_give_the_bytes_of_all_alone(tmp_path: Path, drawn: list[str], total: int, num_copies: int, side: int) -> None:
    uneven(tmp_path, side)
    settings, store = {"max_copies": num_copies}, tmp_path / "store"
    alone = run(tmp_path, "alone", **settings)
    assert alone["num_copies"] == len(drawn) == num_copies
    seeds, shares = drawn.copy(), list[float]()
    drawn.clear()
    for part in parts(total):
        shares.append(run(tmp_path, "part", store, str(part), **settings)["num_copies"])
        assert len(Images(tmp_path / "part/augmented_images")) == len(manifest.read(tmp_path / "part/examples")) == 0
        assert sorted(path.name for path in (tmp_path / "part").iterdir()) == sorted(OUTPUTS)
    assert sorted(drawn) == sorted(seeds)
    assert sum(shares) == num_copies
    assert max(shares) - min(shares) <= 1
    told = {name for path in store.rglob(SOURCES) for name in read_json(path)}  # so that they can be forgotten
    assert told == {seed.split()[1] for seed in seeds}
    drawn.clear()
    assert run(tmp_path, "all", store, **settings) == alone
    assert drawn == []
    assert made(tmp_path / "all") == made(tmp_path / "alone")


def test_copies_that_no_part_has_kept_and_damaged_ones_are_drawn(tmp_path: Path, drawn: list[str]) -> None:
    uneven(tmp_path)
    store, alone = tmp_path / "store", run(tmp_path, "alone")
    drawn.clear()
    for part in ("1/3", "3/3", "3/3"):
        run(tmp_path, "part", store, part)
    assert len(drawn) == 5  # the part that is tried again draws nothing
    drawn.clear()
    assert run(tmp_path, "all", store) == alone
    assert len(drawn) == 2
    for shard in (store / COPIES / PARTS).rglob("*.arrow"):
        content = bytearray(shard.read_bytes())
        start = content.index(b"IDAT")
        content[start + 8 : start + 16] = bytes(8)
        shard.write_bytes(content)
    drawn.clear()
    assert run(tmp_path, "again", store) == alone
    assert len(drawn) == 4  # the first copy of each part is damaged
    assert made(tmp_path / "all") == made(tmp_path / "again") == made(tmp_path / "alone")


def test_copies_that_were_drawn_otherwise_are_not_taken(tmp_path: Path, drawn: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    uneven(tmp_path)
    run(tmp_path, "part", tmp_path / "store", "1/1")
    for number, other in enumerate(({"seed": 1}, {"max_side_px": 8}, {"noise": 0.3}), start=2):
        run(tmp_path, "all", tmp_path / "store", **other)
        assert len(drawn) == 7 * number
    drawn.clear()
    monkeypatch.setattr(copies, "code_version", lambda step: f"another {step}")
    run(tmp_path, "all", tmp_path / "store")
    assert len(drawn) == 7


def test_a_store_without_parts_gets_nothing(tmp_path: Path) -> None:
    uneven(tmp_path)
    run(tmp_path, "all", tmp_path / "store")
    assert not (tmp_path / "store").exists()


def test_a_part_without_a_store_is_refused(tmp_path: Path) -> None:
    uneven(tmp_path)
    with pytest.raises(InputError, match="there is none: name its folder in DARKROOM_VECTORS"):
        run(tmp_path, part="1/2")


def test_policy_follows_the_settings_and_its_file_says_so(tmp_path: Path) -> None:
    uneven(tmp_path)
    run(tmp_path, probability=0.4, rotation_degrees=5, scale=0, horizontal_flip=0.3, vertical_flip=0)
    chosen_policy = policy.read(tmp_path / "out/policy")
    rotation, flip, noise = chosen_policy.get("rotation"), chosen_policy.get("horizontal_flip"), chosen_policy.get("noise")
    assert rotation and (rotation.probability, rotation.low, rotation.high) == (0.4, -5, 5)
    assert flip and flip.probability == 0.3
    assert noise and (noise.probability, noise.low, noise.high) == (0.2, 0.0, 0.02)
    assert chosen_policy.get("scale") is chosen_policy.get("vertical_flip") is None


def test_without_operations_there_are_no_copies(tmp_path: Path) -> None:
    uneven(tmp_path)
    measures = run(tmp_path, probability=0, horizontal_flip=0, vertical_flip=0)
    assert (measures["num_operations"], measures["num_copies"]) == (0, 0)


def test_every_operation_that_has_a_setting_can_be_switched_on() -> None:
    wanted = [name for name in OPERATIONS if name not in ONLY_CHOSEN | SPLIT]
    assert [operation.name for operation in make_policy(AugmentConfig(**EVERY), {}).operations] == wanted  # type: ignore[arg-type]


def test_newer_operations_are_off_and_have_the_strengths_that_are_set() -> None:
    assert {one.name for one in make_policy(AugmentConfig(), {}).all_operations}.isdisjoint({"grey", "blur", "jpeg"} | ONLY_CHOSEN | SPLIT)
    made = make_policy(AugmentConfig(grey=0.1, blur=0.02, jpeg=60), {})
    found = [made.get(name) for name in ("grey", "blur", "jpeg")]
    assert [(one.probability, one.low, one.high) for one in found if one] == [(0.1, 0, 0), (0.25, 0, 0.02), (0.25, 40, 100)]


@pytest.mark.parametrize(("published", "num"), [("rand_augment", 3), ("trivial_augment", 1)])
def test_published_policy_takes_the_place_of_geometry_and_colours(published: Any, num: int) -> None:
    made = make_policy(AugmentConfig(policy=published, num_ops=3, **EVERY), {})  # type: ignore[arg-type]
    assert [one.name for one in made.operations] == ["horizontal_flip", "vertical_flip", "crop", "noise", "erasing", "grey", "blur", "jpeg"]
    assert made.num_choices == num
    assert {one.name for one in made.choices} == ONLY_CHOSEN | SPLIT | {"rotation", "brightness", "contrast", "saturation"}
    assert sum(one.probability for one in made.choices) == pytest.approx(13 / 14)


def test_published_policy_reaches_training_and_copies(tmp_path: Path) -> None:
    uneven(tmp_path)
    none = {"probability": 0, "horizontal_flip": 0, "vertical_flip": 0}
    measures = run(tmp_path, policy="rand_augment", **none)
    assert (measures["num_operations"], measures["num_copies"]) == (13, 7)
    made = policy.read(tmp_path / "out/policy")
    assert (made.operations, made.num_choices, len(made.choices)) == ((), 2, 13)
    texts = [note.text for note in manifest.read(tmp_path / "out/examples").notes]
    assert any(text.startswith("policy: nothing, and 2 of horizontal_shear, ") for text in texts)


@pytest.mark.parametrize(
    ("measured", "expected"),
    [
        pytest.param({"horizontal_flip": GOOD, "vertical_flip": GOOD}, {"horizontal_flip", "vertical_flip"}, id="harmless"),
        pytest.param({"horizontal_flip": GOOD, "vertical_flip": BAD}, {"horizontal_flip"}, id="upright"),
        pytest.param({"horizontal_flip": BAD, "vertical_flip": BAD}, set(), id="digits"),
        pytest.param({"horizontal_flip": SILENT, "vertical_flip": SILENT}, {"horizontal_flip"}, id="nothing-learnt"),
    ],
)
def test_mirroring_follows_what_was_measured(measured: dict[str, Mirroring], expected: set[str]) -> None:
    names = {operation.name for operation in make_policy(AugmentConfig(), kept_labels(measured)).operations}
    assert names & {"horizontal_flip", "vertical_flip"} == expected


def test_augment_refuses_data_without_a_training_image(tmp_path: Path) -> None:
    data(tmp_path, ["a", "b", "c"], ["test"] * 3)
    with pytest.raises(InputError, match="no image is left to train on"):
        run(tmp_path)


def test_broken_training_image_is_the_users_to_mend(tmp_path: Path) -> None:
    data(tmp_path, ["a", "b", "c"], ["train"] * 3)
    with ImageWriter(tmp_path / "images") as writer:
        broken = writer.add(b"no image")
    splits = manifest.read(tmp_path / "splits")
    splits.with_frame(splits.frame().assign(image_id=broken)).write(tmp_path / "splits")
    with pytest.raises(InputError, match=r"can't be decoded \(not an image\)"):
        run(tmp_path)
