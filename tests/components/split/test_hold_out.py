"""The test split by a column of the user's table, and splits by numbers of images."""

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from components.split.config import SplitConfig
from components.split.split import split
from darkroom import manifest
from darkroom.manifest import Manifest, make_table
from darkroom.system.config import parse
from darkroom.system.errors import InputError


def frame(number: int = 120, first: int = 0) -> pd.DataFrame:
    """Images of two classes from three sites, one a day, several of a patient."""
    numbers = range(first, first + number)
    return pd.DataFrame(
        {
            "path": [f"{one}.png" for one in numbers],
            "image_id": [f"{one:064x}" for one in numbers],
            "label": [("cat", "dog")[one % 2] for one in numbers],
            "group": [f"p{one // 2}" for one in numbers],
            "site": [("A", "A", "B", "C")[one // 2 % 4] for one in numbers],
            "taken": [date(2025, 1, 1) + timedelta(days=one) for one in numbers],
            "given_split": [None for _ in numbers],
        }
    )


def run(
    folder: Path, data: pd.DataFrame, previous: Path | None = None, out: str = "splits", own: pd.DataFrame | None = None, **values: Any
) -> tuple[pd.DataFrame, Manifest]:
    kinds = {"site": pa.string(), "taken": pa.date32(), "age": pa.float64()}
    for name, rows in (("cleaned", data), ("own", data if own is None else own)):
        made = make_table({column: rows[column].tolist() for column in rows.columns}, kinds)
        if "age" in rows:  # with NaN, as a Parquet table of the user's may have it
            made = made.set_column(made.column_names.index("age"), "age", pa.array(rows["age"].tolist()))
        Manifest(made, ("cat", "dog"), "binary", "v1").write(folder / name)
    split(
        folder / "cleaned",
        folder / out,
        config=parse(SplitConfig, "split", values),
        previous=previous,
        evaluation_cleaned=None if own is None else folder / "own",
    )
    result = manifest.read(folder / out)
    return result.frame(), result


def sites(result: pd.DataFrame) -> dict[str, set[str]]:
    return {str(name): set(rows["site"]) for name, rows in result.groupby("split")}


@pytest.mark.parametrize(
    "form", ["%Y/%m/%d", "%Y:%m:%d %H:%M:%S", "%d.%m.%Y", "%m/%d/%Y", "%d/%m/%Y %H:%M", "%Y-%m-%dT%H:%M:%S+02:00", "%d-%m-%Y"]
)
def test_the_latest_are_tested_on_however_their_dates_are_written(tmp_path: Path, form: str) -> None:
    data, texts = frame().assign(group=None), frame()["taken"].map(lambda day: day.strftime(form))
    expected, _ = run(tmp_path, data, hold_out="taken")
    data["site"] = [None if number == 5 else "unknown" if number == 7 else text for number, text in enumerate(texts)]
    found, table = run(tmp_path, data, hold_out="site")
    assert found["split"].eq("test").tolist() == expected["split"].eq("test").tolist()
    assert any("2 images have no value in column 'site'" in str(note) for note in table.notes)


@pytest.mark.parametrize(
    ("cells", "told"),
    [
        (["03/04/2024", "05/06/2024"], r"column 'site' .* such as '03/04/2024'.*whether the day or the month"),
        (["2024-13-01", "2024-01-01"], "holds no numbers or dates"),
        (["2024-01-01", "spring"], "holds no numbers or dates"),
        (["9999-12-31 23:59:59-05:00", "2024-01-01"], "holds no numbers or dates"),
    ],
)
def test_dates_that_may_mean_two_things_or_none_are_refused(tmp_path: Path, cells: list[str], told: str) -> None:
    with pytest.raises(InputError, match=told):
        run(tmp_path, frame().assign(site=[cells[number % 2] for number in range(120)]), hold_out="site")


def test_a_column_that_is_the_group_is_told_by_its_name_here(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"there are group, site, taken.*is called group here"):
        run(tmp_path, frame(), hold_out="patient", hold_out_values=["p3"])


def test_a_site_that_is_named_is_tested_on_and_nothing_else_is(tmp_path: Path) -> None:
    result, table = run(tmp_path, frame(), hold_out="site", hold_out_values=["B"])
    assert sites(result) == {"test": {"B"}, "train": {"A", "C"}, "validation": {"A", "C"}}
    assert any("those with B in column 'site'" in note.text for note in table.notes)
    left = result[result["split"] != "test"]
    assert (left["split"] == "validation").sum() == pytest.approx(
        len(left) * 0.15 / 0.85, abs=2
    )  # of the rest in the ratio of the fractions


def test_pictures_of_a_tested_patient_from_another_site_are_excluded(tmp_path: Path) -> None:
    data = frame()
    data.loc[data["group"] == "p0", "site"] = ["B", "A"]
    result, _ = run(tmp_path, data, hold_out="site", hold_out_values=["B"])
    assert result[result["group"] == "p0"]["split"].tolist() == ["test", "excluded"]


def test_patients_may_be_named(tmp_path: Path) -> None:
    result, _ = run(tmp_path, frame(), hold_out="group", hold_out_values=["p3", "p7"])
    assert set(result[result["split"] == "test"]["group"]) == {"p3", "p7"}


def test_of_a_column_of_dates_the_latest_are_tested_on(tmp_path: Path) -> None:
    data = frame().assign(group=None)
    result, table = run(tmp_path, data, hold_out="taken", test_images=30)
    assert sorted(result[result["split"] == "test"]["taken"]) == sorted(data["taken"])[-30:]
    assert any("2025-04-01 to 2025-04-30" in note.text for note in table.notes)


def test_no_date_stands_on_both_sides(tmp_path: Path) -> None:
    data = frame().assign(group=None)
    data["taken"] = [date(2025, 1, 1 + number // 25) for number in range(len(data))]  # 25 images a day, 20 on the last one
    result, _ = run(tmp_path, data, hold_out="taken", test_fraction=0.1)
    tested = result["split"] == "test"
    assert set(result[tested]["taken"]) == {date(2025, 1, 5)}
    assert date(2025, 1, 5) not in set(result[~tested]["taken"])


def test_later_images_do_not_move_those_that_are_tested_on(tmp_path: Path) -> None:
    data = frame(200).assign(group=None)
    before, _ = run(tmp_path, data[:100], out="first", hold_out="taken")
    after, table = run(tmp_path, data, tmp_path / "first", hold_out="taken")
    assert after["split"][:100].tolist() == before["split"].tolist()
    assert after[after["split"] == "test"]["path"].tolist() == [f"{number}.png" for number in [*range(85, 100), *range(185, 200)]]
    assert any("are later, by column 'taken', than the first test image" in note.text for note in table.notes)


def test_a_hold_out_that_contradicts_an_earlier_split_is_refused(tmp_path: Path) -> None:
    run(tmp_path, frame(), out="first")
    with pytest.raises(InputError, match=r"in another split, by an earlier assignment or in the source, than split.hold_out site wants"):
        run(tmp_path, frame(), tmp_path / "first", hold_out="site", hold_out_values=["B"])


def test_a_later_run_holds_out_the_same_beside_an_evaluation_set_of_images_of_that_site(tmp_path: Path) -> None:
    data, values = frame(), {"hold_out": "site", "hold_out_values": ["B"]}
    own = data[data["site"] == "B"][:2]
    before, _ = run(tmp_path, data, out="first", own=own, **values)
    after, _ = run(tmp_path, data, tmp_path / "first", own=own, **values)
    assert after[after["split"] == "excluded"]["path"].tolist() == own["path"].tolist()
    assert after["split"].tolist() == before["split"].tolist()


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"hold_out": "device"}, "split.hold_out is 'device', and the images have no such column: there are group, site, taken"),
        ({"hold_out": "site"}, r"name those that are to be tested on in split.hold_out_values; there are 'A' \(60\), 'B' \(30\)"),
        ({"hold_out": "site", "hold_out_values": ["D"]}, "split.hold_out_values has 'D', which is not in column 'site'"),
        ({"hold_out_values": ["D"]}, "name it in hold_out"),
        (
            {"test_images": 100, "validation_images": 20},
            "nothing of 120 images is left to train on with split.validation_images 20 and split.test_images 100",
        ),
    ],
)
def test_what_can_not_be_held_out_is_refused(values: dict[str, Any], sentence: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=sentence):
        run(tmp_path, frame(), **values)


def test_a_test_split_of_the_source_stands_against_a_hold_out(tmp_path: Path) -> None:
    data = frame()
    data.loc[:9, "given_split"] = "test"
    with pytest.raises(InputError, match=r"set split.given=ignore"):
        run(tmp_path, data, hold_out="site", hold_out_values=["B"])


@pytest.mark.parametrize("fixed", ["held out", "given", "earlier"])
def test_a_number_is_meant_of_the_images_that_are_left_by_a_fixed_split(fixed: str, tmp_path: Path) -> None:
    data = frame().assign(group=None)
    data["site"] = ["B" if number < 80 else "A" for number in range(120)]
    values: dict[str, Any] = {} if fixed == "given" else {"hold_out": "site", "hold_out_values": ["B"]}
    if fixed == "given":
        data.loc[:79, "given_split"] = "test"
        values["test_images"] = 5000  # plays no part
    previous = None
    if fixed == "earlier":
        previous = tmp_path / "first"
        run(tmp_path, data[:110], out="first", validation_images=10, **values)
    result, _ = run(tmp_path, data, previous, validation_images=10, **values)
    assert result["split"].value_counts().to_dict() == {"test": 80, "train": 30, "validation": 10}


def test_an_image_without_a_number_is_not_held_out(tmp_path: Path) -> None:
    data = frame().assign(group=None, age=[float("nan") if number < 12 else float(number) for number in range(120)])
    result, table = run(tmp_path, data, hold_out="age", test_images=30)
    assert sorted(result[result["split"] == "test"]["age"]) == [float(number) for number in range(90, 120)]
    assert any(note.text.startswith("12 images have no value in column 'age'") for note in table.notes)
    with pytest.raises(InputError, match=r"split\.hold_out_values has 'nan'"):
        run(tmp_path, data, hold_out="age", hold_out_values=["nan"])


def test_numbers_of_images_stand_for_fractions(tmp_path: Path) -> None:
    result, _ = run(tmp_path, frame(), test_images=30, validation_images=12)
    assert result["split"].value_counts().to_dict() == {"train": 78, "test": 30, "validation": 12}
