"""The table of leaks: written and read, and when more leaks than chance explains."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from darkroom.leaks import Leak, leaks_of, read_leaks, write_untested
from darkroom.metrics.intervals import share_interval, wilson
from darkroom.system.errors import InputError


def leak(number: int, check: str = "suspicious", score: float = 0.9) -> Leak:
    return Leak(f"t{number}", f"t{number}.jpg", f"o{number}", f"o{number}.jpg", check, score)


def test_leaks_are_read_as_written_the_confirmed_first(tmp_path: Path) -> None:
    floor = {"as_split": {"f1_macro": 0.9}, "by_clusters": {"f1_macro": 0.6}}
    leaking = np.array([True, True, False, True])
    found = leaks_of([leak(0), leak(1, "near_duplicate", 0.88), leak(3, "near_duplicate", 0.95)], leaking, np.arange(4), 0.001, floor)
    assert [one.image_id for one in found.found] == ["t3", "t1", "t0"]
    assert (found.share, (found.low, found.high)) == (0.75, wilson(3, 4))
    found.write(tmp_path / "leaks")
    assert read_leaks(tmp_path / "leaks") == found
    found.write(tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == (tmp_path / "leaks").read_bytes()
    sample = replace(found, sample=("t0", "t1", "t2", "t3"))
    sample.write(tmp_path / "sample")
    assert read_leaks(tmp_path / "sample") == sample and "of the 4 sampled images" in str(sample)
    write_untested(tmp_path / "none")
    assert read_leaks(tmp_path / "none") is None


def test_a_later_format_is_refused(tmp_path: Path) -> None:
    write_untested(tmp_path / "leaks")
    table = pq.read_table(tmp_path / "leaks")
    pq.write_table(table.replace_schema_metadata({b"darkroom": json.dumps({"format": 99}).encode()}), tmp_path / "leaks")
    with pytest.raises(InputError, match="99"):
        read_leaks(tmp_path / "leaks")


@pytest.mark.parametrize(
    ("number", "check", "beyond"), [(0, "", False), (1, "suspicious", False), (3, "suspicious", True), (1, "near_duplicate", True)]
)
def test_one_suspicious_image_among_many_is_chance(number: int, check: str, beyond: bool) -> None:
    leaking = np.arange(200) < number
    assert leaks_of([leak(one, check) for one in range(number)], leaking, np.arange(200), 0.001, {}).beyond_chance == beyond


def test_a_unit_of_many_images_has_as_many_chances() -> None:
    units, leaking = np.repeat(np.arange(60), 40), np.zeros(2400, bool)
    leaking[[0, 400, 1200]] = True  # about 2.4 of 2,400 are chance
    assert not leaks_of([leak(one) for one in range(3)], leaking, units, 0.001, {}).beyond_chance
    leaking[::80] = True
    assert leaks_of([leak(one) for one in range(30)], leaking, units, 0.001, {}).beyond_chance


def test_images_of_a_unit_are_one_observation() -> None:
    found, units = np.repeat([True, False, False, False, True, False], 10), np.repeat(np.arange(6), 10)
    low, high = share_interval(found, units)
    single = wilson(20, 60)
    assert low < single[0] < single[1] < high
    assert share_interval(np.zeros(60, bool), units) == wilson(0, 6)
    assert share_interval(found, np.arange(60)) == single
