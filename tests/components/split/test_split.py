"""The whole step: files in, files out."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st

from components.split.config import SplitConfig
from components.split.leak_policy import LeakPolicy
from components.split.split import split
from darkroom import manifest
from darkroom.manifest import Manifest, make_table
from darkroom.system.config import parse
from darkroom.system.errors import InputError
from darkroom.task import Task
from darkroom.units import Integers

RANK = {"train": 0, "validation": 1, "test": 2}


def name(number: int | str) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest()


def rows(counts: dict[str, int], start: int = 0) -> pd.DataFrame:
    labels = [label for label, count in counts.items() for _ in range(count)]
    numbers = range(start, start + len(labels))
    return pd.DataFrame(
        {"path": [f"{number}.png" for number in numbers], "image_id": [name(number) for number in numbers], "label": labels}
    )


def made(frame: pd.DataFrame, task: Task = "multiclass", classes: tuple[str, ...] = ()) -> Manifest:
    found = classes or tuple(sorted(set(frame["label"])))
    return Manifest(make_table({column: frame[column].tolist() for column in frame.columns}), found, task, "v1")


def run(folder: Path, data: Manifest, previous: Path | None = None, out: str = "splits.parquet", **values: Any) -> tuple[Manifest, dict]:
    data.write(folder / "cleaned.parquet")
    measures = split(folder / "cleaned.parquet", folder / out, config=parse(SplitConfig, "split", values), previous=previous)
    return manifest.read(folder / out), measures


def assigned(result: Manifest) -> dict[str, str]:
    return dict(zip(result.column("image_id"), result.column("split"), strict=True))


def test_split_is_exact_on_something_small(tmp_path: Path) -> None:
    result, measures = run(tmp_path, made(rows({"cat": 40, "dog": 20}), "binary"))
    counts = pd.crosstab(pd.Series(result.column("label")), pd.Series(result.column("split")))
    assert counts.to_dict("index") == {"cat": {"test": 6, "train": 28, "validation": 6}, "dog": {"test": 3, "train": 14, "validation": 3}}
    assert measures == {
        "num_train": 42,
        "num_validation": 9,
        "num_test": 9,
        "num_excluded": 0,
        "num_rare_classes": 0,
        "num_in_evaluation_set": 0,
        "num_copies_of_evaluation_set": 0,
        "num_relabelled": 0,
        "num_left_out": 0,
        "num_unapplied_proposals": 0,
        "largest_share_gap": pytest.approx(0, abs=1e-12),
    }
    assert (result.classes, result.task, result.data_version) == (("cat", "dog"), "binary", "v1")


def test_same_seed_makes_the_same_bytes_and_another_seed_another_split(tmp_path: Path) -> None:
    data = made(rows({"a": 30, "b": 30}))
    for out, seed in (("first", 1), ("again", 1), ("other", 2)):
        run(tmp_path, data, out=out, seed=seed)
    assert (tmp_path / "first").read_bytes() == (tmp_path / "again").read_bytes()
    assert assigned(manifest.read(tmp_path / "first")) != assigned(manifest.read(tmp_path / "other"))


def test_order_of_rows_changes_nothing_but_the_order(tmp_path: Path) -> None:
    frame = rows({"a": 30, "b": 20, "c": 7})
    frame["group"] = [f"g{number % 19}" for number in range(len(frame))]
    shuffled = frame.sample(frac=1, random_state=3)
    first, _ = run(tmp_path, made(frame))
    second, _ = run(tmp_path, made(shuffled))
    assert assigned(first) == assigned(second)
    assert second.column("path") == shuffled["path"].tolist()


def test_inputs_stay_untouched(tmp_path: Path) -> None:
    data = made(rows({"a": 10, "b": 10}))
    run(tmp_path, data, out="first")
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    run(tmp_path, data, previous=tmp_path / "first", out="second")
    assert {path: path.read_bytes() for path in before} == before


TABLES = st.integers(0, 2**31)  # the seed of a table: hypothesis takes far longer to draw 70 rows one by one


def table_of(seed: int, start: int = 0) -> pd.DataFrame:
    """30 to 70 rows with one of three labels, in which every third row has a group and every third a cluster."""
    random = np.random.default_rng(seed)
    num, ties = random.integers(30, 71), [*"abcdefghijklmnop", *[None] * 48]
    drawn = {name: random.choice(np.array(values, object), num) for name, values in {
        "label": ["x", "y", "z"], "group": ties, "cluster": ties, "given_split": [None, "train", "validation", "test"],
    }.items()}  # fmt: skip
    return rows({"x": num}, start)[["path", "image_id"]].join(pd.DataFrame(drawn))


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(table=TABLES, keep=st.booleans(), seed=st.integers(0, 5))
def test_no_image_is_lost_and_no_group_or_cluster_straddles(tmp_path: Path, table: int, keep: bool, seed: int) -> None:
    frame = table_of(table)
    try:
        result, measures = run(tmp_path, made(frame), given="keep" if keep else "ignore", seed=seed)
    except InputError:
        reject()  # too few groups or classes to be split at all
    after = result.frame()
    assert [tuple(row) for row in zip(*(result.column(column) for column in frame.columns), strict=True)] == [
        tuple(row) for row in zip(*(made(frame).column(column) for column in frame.columns), strict=True)
    ]
    assert sum(measures[f"num_{split_name}"] for split_name in ("train", "validation", "test", "excluded")) == len(frame)
    used = after[after["split"] != "excluded"]
    for column in ("group", "cluster"):
        assert used.groupby(column)["split"].nunique().le(1).all()
    assert set(used["label"]) <= set(result.classes)
    if keep and frame["given_split"].eq("test").any():
        assert set(frame.loc[after["split"] == "test", "given_split"].dropna()) <= {"test"}
        assert set(after.loc[(frame["given_split"] == "test") & frame["label"].isin(result.classes), "split"]) <= {"test"}


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(first=TABLES, more=TABLES, gone=st.integers(0, 20), seeds=st.tuples(st.integers(0, 3), st.integers(0, 3)))
def test_assignment_sticks_while_the_data_grow(tmp_path: Path, first: int, more: int, gone: int, seeds: tuple[int, int]) -> None:
    old, new = table_of(first), table_of(more, start=100)
    try:
        before, _ = run(tmp_path, made(old), given="ignore", seed=seeds[0], out="before")
        grown = pd.concat([old.iloc[gone:], new])
        after, _ = run(tmp_path, made(grown), given="ignore", seed=seeds[1], previous=tmp_path / "before")
    except InputError:
        reject()
    was, frame = assigned(before), after.frame()
    frame["was"] = frame["image_id"].map(was)
    frame = frame[frame["label"].isin(after.classes)]
    assert set(frame.loc[frame["was"] == "test", "split"]) <= {"test"}
    assert set(frame.loc[frame["was"] == "validation", "split"]) <= {"validation", "excluded"}
    assert set(frame.loc[frame["was"] == "train", "split"]) <= {"train", "excluded"}
    used = frame[frame["split"] != "excluded"]
    for column in ("group", "cluster"):
        assert used.groupby(column)["split"].nunique().le(1).all()


def test_growth_brings_the_totals_towards_the_fractions(tmp_path: Path) -> None:
    run(tmp_path, made(rows({"a": 100, "b": 50})), test_fraction=0.4, out="before")
    result, measures = run(
        tmp_path,
        made(rows({"a": 100, "b": 50, "a ": 0}).pipe(lambda old: pd.concat([old, rows({"a": 300, "b": 150}, 1000)]))),
        previous=tmp_path / "before",
    )
    assert (measures["num_train"], measures["num_validation"], measures["num_test"]) == (420, 90, 90)
    assert measures["largest_share_gap"] < 0.005
    assert len(result) == 600


def test_new_class_is_stratified_beside_the_old_ones(tmp_path: Path) -> None:
    old = rows({"a": 40, "b": 40})
    run(tmp_path, made(old), out="before")
    result, _ = run(tmp_path, made(pd.concat([old, rows({"new": 20}, 500)])), previous=tmp_path / "before")
    assert result.classes == ("a", "b", "new")
    newcomers = [part for label, part in zip(result.column("label"), result.column("split"), strict=True) if label == "new"]
    assert {part: newcomers.count(part) for part in RANK} == {"train": 14, "validation": 3, "test": 3}


def test_new_image_that_ties_train_to_test_excludes_the_train_members(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old = rows({"a": 40, "b": 40})
    before, _ = run(tmp_path, made(old), out="before")
    where = {part: before.column("path")[before.column("split").index(part)] for part in RANK}
    old["group"] = [{where["train"]: "g", where["validation"]: "g"}.get(path) for path in old["path"]]
    old["cluster"] = ["c" if path == where["test"] else None for path in old["path"]]
    bridge = rows({"a": 1}, 900).assign(group="g", cluster="c")
    result, measures = run(tmp_path, made(pd.concat([old, bridge])), previous=tmp_path / "before")
    after = dict(zip(result.column("path"), result.column("split"), strict=True))
    assert [after[where[part]] for part in RANK] == ["excluded", "excluded", "test"]
    assert after["900.png"] == "test"
    assert measures["num_excluded"] == 2
    assert "2 images are excluded: a group or a duplicate ties them" in capsys.readouterr().out
    again, _ = run(tmp_path, made(old), previous=tmp_path / "splits.parquet", out="third")
    assert {assigned(again)[name(where[part].removesuffix(".png"))] for part in ("train", "validation")} == {"excluded"}


def test_image_that_was_excluded_for_its_ties_may_only_be_trained_on(tmp_path: Path) -> None:
    before, _ = run(tmp_path, made(rows({"a": 40, "b": 40})))
    parts = before.frame()
    parts["split"] = ["excluded"] * 60 + ["validation"] * 10 + ["test"] * 10
    before.with_frame(parts).write(tmp_path / "before")
    result, _ = run(tmp_path, made(rows({"a": 40, "b": 40})), previous=tmp_path / "before")
    assert result.column("split") == ["train"] * 60 + ["validation"] * 10 + ["test"] * 10


def test_images_that_are_gone_still_tie_their_group(tmp_path: Path) -> None:
    old = rows({"a": 60, "b": 60})
    old["group"] = [f"patient {number // 4}" for number in range(len(old))]
    before, _ = run(tmp_path, made(old), out="before")
    tested = sorted({group for group, part in zip(before.column("group"), before.column("split"), strict=True) if part == "test"})
    kept = old[~old["group"].isin(tested)]
    new = rows({"a": 30, "b": 30}, 700).assign(group=[tested[number % len(tested)] for number in range(60)])
    result, _ = run(tmp_path, made(pd.concat([kept, new])), previous=tmp_path / "before")
    assert {part for group, part in zip(result.column("group"), result.column("split"), strict=True) if group in tested} == {"test"}


def given_rows(**counts: int) -> pd.DataFrame:
    parts = [part for part, count in counts.items() for _ in range(count)]
    frame = rows({"a": len(parts), "b": len(parts)})
    return frame.assign(given_split=parts * 2)


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        pytest.param(given_rows(train=20, validation=5, test=10), (40, 10, 20), id="all-three"),
        pytest.param(given_rows(train=20, test=20), (33, 7, 40), id="no-validation"),
        pytest.param(given_rows(train=20, validation=20), (33, 40, 7), id="no-test"),
        pytest.param(given_rows(train=20), (28, 6, 6), id="train-alone"),
    ],
)
def test_given_split_is_kept_and_what_it_lacks_is_carved_out_of_train(
    tmp_path: Path, frame: pd.DataFrame, expected: tuple[int, int, int]
) -> None:
    result, measures = run(tmp_path, made(frame))
    assert (measures["num_train"], measures["num_validation"], measures["num_test"]) == expected
    for was, part in zip(result.column("given_split"), result.column("split"), strict=True):
        assert part == was or was == "train"


def test_given_split_can_be_ignored(tmp_path: Path) -> None:
    _, measures = run(tmp_path, made(given_rows(train=10, test=10)), given="ignore")
    assert (measures["num_train"], measures["num_validation"], measures["num_test"]) == (28, 6, 6)


@pytest.mark.parametrize("with_validation", [True, False])
def test_group_that_straddles_given_splits_is_tested_and_not_trained_on(tmp_path: Path, with_validation: bool) -> None:
    frame = given_rows(train=20, test=10, **({"validation": 5} if with_validation else {}))
    frame["group"] = None
    frame.loc[[0, 25], "group"] = "patient"
    result, measures = run(tmp_path, made(frame))
    assert [result.column("split")[row] for row in (0, 25)] == ["excluded", "test"]
    assert measures["num_excluded"] == 1


def test_earlier_assignment_goes_before_the_given_one(tmp_path: Path) -> None:
    frame = rows({"a": 20, "b": 20})
    before, _ = run(tmp_path, made(frame), out="before")
    turned = frame.assign(given_split=["train" if part == "test" else "test" for part in before.column("split")])
    after, _ = run(tmp_path, made(turned), previous=tmp_path / "before")
    assert after.column("split") == before.column("split")


def test_rare_class_is_dropped_with_a_warning(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    frame = rows({"a": 10, "b": 10, "c": 10, "rare": 2})
    result, measures = run(tmp_path, made(frame))
    assert (result.classes, result.task) == (("a", "b", "c"), "multiclass")
    assert [part for label, part in zip(result.column("label"), result.column("split"), strict=True) if label == "rare"] == ["excluded"] * 2
    assert (measures["num_rare_classes"], measures["num_excluded"]) == (1, 2)
    assert "class 'rare' has 2 independent images" in capsys.readouterr().out
    for part in RANK:
        result.where(part).targets()  # every class that is used has its number


def test_many_copies_of_one_image_are_a_rare_class(tmp_path: Path) -> None:
    frame = rows({"a": 10, "b": 10, "c": 10, "rare": 12})
    frame["cluster"] = [None] * 30 + [f"x{number % 2}" for number in range(12)]
    assert run(tmp_path, made(frame))[0].classes == ("a", "b", "c")


def test_two_classes_that_are_left_make_a_binary_task(tmp_path: Path) -> None:
    result, _ = run(tmp_path, made(rows({"a": 10, "b": 10, "rare": 1})))
    assert (result.classes, result.task) == (("a", "b"), "binary")


def test_rare_class_is_free_once_it_has_grown(tmp_path: Path) -> None:
    old = rows({"a": 10, "b": 10, "rare": 2})
    run(tmp_path, made(old), out="before")
    result, measures = run(tmp_path, made(pd.concat([old, rows({"rare": 18}, 300)])), previous=tmp_path / "before")
    assert result.classes == ("a", "b", "rare")
    assert (measures["num_test"], measures["num_excluded"]) == (3 + 3, 0)


def test_class_that_is_given_for_test_alone_is_dropped(tmp_path: Path) -> None:
    frame = pd.concat([given_rows(train=10, test=5), rows({"tested": 5}, 400).assign(given_split="test")])
    result, measures = run(tmp_path, made(frame))
    assert result.classes == ("a", "b")
    assert (measures["num_excluded"], measures["num_test"]) == (5, 10)


def test_label_that_never_occurs_is_no_error_and_stays(tmp_path: Path) -> None:
    frame = rows({"x": 60}).drop(columns="label")
    frame["labels"] = [["N/A"] if number % 3 else ["N/A", "often"] if number % 2 else [] for number in range(60)]
    frame.at[59, "labels"] = ["rare"]
    result, measures = run(tmp_path, made(frame, "multilabel", ("N/A", "never", "often", "rare")))
    assert result.classes == ("N/A", "never", "often", "rare")
    assert (measures["num_rare_classes"], measures["num_excluded"]) == (0, 0)
    assert [measures[f"num_{part}"] for part in RANK] == [42, 9, 9]


def test_multilabel_assignment_sticks(tmp_path: Path) -> None:
    old = rows({"x": 40}).drop(columns="label").assign(labels=[["a"], ["b"]] * 20, group=[f"g{number // 2}" for number in range(40)])
    before, _ = run(tmp_path, made(old, "multilabel", ("a", "b")), out="before")
    new = rows({"x": 40}, 50).drop(columns="label").assign(labels=[["a", "b"]] * 40)
    after, _ = run(tmp_path, made(pd.concat([old, new]), "multilabel", ("a", "b", "c")), previous=tmp_path / "before", seed=7)
    assert after.column("split")[:40] == before.column("split")
    assert len(after.where("test")) == len(after.where("validation")) == 12


@pytest.mark.parametrize(
    ("frame", "values", "message"),
    [
        (rows({"a": 9, "b": 9, "rare": 2}), {"rare_classes": "fail"}, "class 'rare' has 2 independent .* split.rare_classes"),
        (rows({"a": 9, "b": 2}), {}, r"fewer than two classes are left to tell apart \('a'\)"),
        (rows({"a": 1, "b": 2}), {}, r"left to tell apart \(none\)"),
        (rows({"a": 9, "b": 9}), {"test_fraction": 0.6, "validation_fraction": 0.4}, "validation_fraction is 0.4: with test_fraction 0.6"),
        (given_rows(test=9, validation=9), {"rare_classes": "fail"}, "'a' has 18 images for validation or testing and none to train on"),
    ],
    ids=["rare", "one-class", "no-class", "fractions", "no-train"],
)
def test_split_refuses_what_can_not_be_split(tmp_path: Path, frame: pd.DataFrame, values: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        run(tmp_path, made(frame), **values)
    assert not (tmp_path / "splits.parquet").exists()


def test_split_refuses_too_few_images_for_three_splits(tmp_path: Path) -> None:
    frame = rows({"x": 2}).drop(columns="label").assign(labels=[["a"], ["b"]])
    with pytest.raises(InputError, match=r"no image is left for .*: the 2 images are 2 independent ones"):
        run(tmp_path, made(frame, "multilabel", ("a", "b")))


def test_split_refuses_an_empty_table(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no image to split"):
        run(tmp_path, made(rows({}), "multiclass", ("a", "b")))


def test_split_refuses_an_earlier_assignment_that_is_none(tmp_path: Path) -> None:
    data = made(rows({"a": 9, "b": 9}))
    data.write(tmp_path / "unsplit")
    (tmp_path / "text").write_text("train,test")
    many = rows({"x": 30}).drop(columns="label").assign(labels=[["a"]] * 30)
    run(tmp_path, made(many, "multilabel", ("a", "b")), out="other")
    for earlier, message in (
        ("unsplit", "no column 'split'"),
        ("text", "can't be read"),
        ("gone", "can't be read"),
        ("other", "multilabel task"),
    ):
        with pytest.raises(InputError, match=message):
            run(tmp_path, data, previous=tmp_path / earlier)


def test_thirty_thousand_images_of_200_classes_take_a_second(tmp_path: Path) -> None:
    labels = np.random.default_rng(0).zipf(1.5, 30_000) % 200
    frame = rows({"x": 30_000}).assign(label=[f"class {number}" for number in labels])
    _, measures = run(tmp_path, made(frame))
    assert measures["num_train"] == pytest.approx(21_000, abs=10)
    assert measures["largest_share_gap"] < 1e-3


def test_images_of_the_evaluation_set_and_what_is_tied_to_them_are_excluded(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = rows({"a": 20, "b": 20})
    data["cluster"] = [f"pixels {number}" for number in range(40)]
    data["group"] = ["patient" if number in (3, 4) else None for number in range(40)]
    own = pd.DataFrame({"path": ["x", "y"], "image_id": [data["image_id"][0], name("another file")], "label": ["a", "a"]})
    own["cluster"] = ["pixels 0", "pixels 3"]  # the second shows the same pixels
    made(data).write(tmp_path / "cleaned")
    made(own, classes=("a", "b")).write(tmp_path / "own")
    measures = split(tmp_path / "cleaned", tmp_path / "splits", config=SplitConfig(), evaluation_cleaned=tmp_path / "own")
    result = manifest.read(tmp_path / "splits")
    excluded = [path for path, part in zip(result.column("path"), result.column("split"), strict=True) if part == "excluded"]
    assert excluded == [data["path"][number] for number in (0, 3, 4)]
    assert (measures["num_in_evaluation_set"], measures["num_excluded"]) == (3, 3)
    assert "3 images are excluded: they are in the evaluation set (evaluate.data), or tied to it" in capsys.readouterr().out


def test_an_evaluation_set_that_does_not_fit_is_refused_before_anything_is_trained(tmp_path: Path) -> None:
    made(rows({"cat": 20, "dog": 20}), "binary").write(tmp_path / "cleaned")
    own = rows({"Cat": 3, "dog": 3})
    own["image_id"] = own["path"] = [f"own {name}" for name in own["image_id"]]
    made(own, "binary").write(tmp_path / "own")
    with pytest.raises(InputError, match=r"evaluate\.data names a set, where images are labelled 'Cat': the model only knows 'cat', 'dog'"):
        split(tmp_path / "cleaned", tmp_path / "splits", config=SplitConfig(), evaluation_cleaned=tmp_path / "own")
    several = own.drop(columns="label").assign(labels=[["cat", "dog"]] * len(own))
    made(several, "multilabel", ("cat", "dog")).write(tmp_path / "own")
    with pytest.raises(InputError, match=r"several labels or none, but the training data is binary.*evaluate\.ingest"):
        split(tmp_path / "cleaned", tmp_path / "splits", config=SplitConfig(), evaluation_cleaned=tmp_path / "own")


def test_an_empty_evaluation_set_changes_nothing(tmp_path: Path) -> None:
    made(rows({"a": 20, "b": 20})).write(tmp_path / "cleaned")
    Manifest(make_table({"path": [], "image_id": [], "label": []}), (), "multiclass", "").write(tmp_path / "own")
    split(tmp_path / "cleaned", tmp_path / "one", config=SplitConfig())
    split(tmp_path / "cleaned", tmp_path / "two", config=SplitConfig(), evaluation_cleaned=tmp_path / "own")
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_a_split_that_ties_take_most_training_images_of_is_refused_with_what_to_do(tmp_path: Path) -> None:
    before, _ = run(tmp_path, made(rows({"cat": 60, "dog": 60})), out="before.parquet")
    frame = before.frame().drop(columns="split")
    frame["group"] = [str(number % 30) for number in range(len(frame))]
    with pytest.raises(InputError, match=r"split\.max_excluded 0\.1: .*split\.previous=none"):
        run(tmp_path, made(frame), previous=tmp_path / "before.parquet")
    result, measures = run(tmp_path, made(frame), previous=tmp_path / "before.parquet", max_excluded=1, rare_classes="drop")
    assert measures["num_excluded"] == result.column("split").count("excluded") > 0


def test_a_test_set_whose_labels_changed_is_a_new_one_and_keeps_its_images(tmp_path: Path) -> None:
    data = rows({"a": 30, "b": 30})
    first, _ = run(tmp_path, made(data))
    before = assigned(first)
    changed = {split: next(one for one in before if before[one] == split) for split in ("test", "train")}
    data["label"] = [
        {"a": "b", "b": "a"}[label] if image in changed.values() else label
        for image, label in zip(data["image_id"], data["label"], strict=True)
    ]
    again, _ = run(tmp_path, made(data), previous=tmp_path / "splits.parquet", out="again")
    assert assigned(again) == before
    assert [str(note) for note in again.notes if "new test set" in note.text] == [
        "1 test image(s) have other labels than before: it is a new test set, and earlier predictions are scored on the new labels "
        "before they are compared"
    ]
    once_more, _ = run(tmp_path, made(data), previous=tmp_path / "again", out="more")
    assert not [note for note in once_more.notes if "new test set" in note.text]


def test_a_leak_into_test_moves_nothing_out_of_validation_and_its_group_stays_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame = rows({"cat": 40, "dog": 40}).assign(group=[f"g{number}" for number in range(80)])
    first = assigned(run(tmp_path, made(frame), out="first")[0])
    held, tested = (next(name for name, split in first.items() if split == wanted) for wanted in ("validation", "test"))
    new = rows({"cat": 1}, start=100).assign(group=frame.set_index("image_id")["group"][held])
    both = pd.concat([frame, new], ignore_index=True)
    order = sorted(both["image_id"])

    def leaking(policy: LeakPolicy) -> Integers:
        merged = np.arange(len(order))
        merged[order.index(held)] = order.index(tested)
        return merged

    monkeypatch.setattr(LeakPolicy, "merged", leaking)
    found = assigned(run(tmp_path, made(both), previous=tmp_path / "first")[0])
    assert (found[held], found[name(100)], found[tested]) == ("validation", "validation", "test")
