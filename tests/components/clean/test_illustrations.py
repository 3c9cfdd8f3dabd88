"""Pictures of findings: the worst of each check, those of the others beside them, and no more in all than fit into a page."""

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from components.clean.illustrations import MAX_PICTURES, illustrate
from darkroom.images import Images, ImageWriter
from darkroom.issues import EXPECTED
from darkroom.manifest import Manifest, make_table

PATHS = [f"{number:02}.png" for number in range(40)]


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[str], Images]:
    """40 pictures, of which the last is none, and their ids."""
    folder = tmp_path_factory.mktemp("images")
    with ImageWriter(folder) as writer:
        names = [writer.add(encode(number)) for number in range(39)]
        names.append(writer.add(b"nothing"))
    return names, Images(folder)


def encode(number: int) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.full((300, 200, 3), 6 * number, np.uint8)).save(file, "PNG")
    return file.getvalue()


def table(names: list[str]) -> Manifest:
    columns = {"path": PATHS, "image_id": names, "label": ["a", "b"] * 20}
    return Manifest(make_table(columns), ("a", "b"), "binary", "v")


def finding(names: list[str], row: int, check: str, score: float, other: str | None = None) -> dict[str, Any]:
    return {"path": PATHS[row], "image_id": names[row], "check": check, "score": score, "action": "flagged", "detail": "", "other": other}


def level(picture: bytes | None) -> int:
    """Which of the images a picture shows."""
    assert picture is not None
    with Image.open(io.BytesIO(picture)) as opened:
        assert max(opened.size) == 160 and opened.format == "JPEG"
        return round(float(np.asarray(opened).mean()) / 6)


def test_the_worst_of_each_check_are_shown_with_what_they_are_like(images: tuple[list[str], Images]) -> None:
    names, packed = images
    findings = [
        finding(names, 3, "dark", 1.0),
        finding(names, 4, "dark", 3.0),
        finding(names, 5, "dark", 2.0),
        finding(names, 6, "near_duplicate", 0.9, PATHS[7]),
        {**finding(names, 9, "mislabelled", 0.8), EXPECTED: ["a"]},
        finding(names, 39, "small", 1.0),
        finding(names, 10, "unreadable", 1.0),
        {**finding(names, 0, "few_images", 1.0), "path": None, "image_id": None},
    ]
    shown = illustrate(findings, table(names), packed, 2)
    assert sorted(shown) == [1, 2, 3, 4]
    assert {number: level(one.picture) for number, one in shown.items()} == {1: 4, 2: 5, 3: 6, 4: 9}
    assert (level(shown[3].other_picture), shown[3].other_id) == (7, names[7])
    assert (shown[4].given_labels, shown[4].expected_labels) == (["b"], ["a"])
    assert (shown[1].expected_labels, shown[1].other_picture, shown[1].other_id) == (None, None, None)
    assert illustrate(findings, table(names), packed, 0) == {}


def test_where_pictures_are_few_each_check_has_its_worst_first(images: tuple[list[str], Images]) -> None:
    names, packed = images
    findings = [finding(names, row, "dark", float(row)) for row in range(10)] + [finding(names, 20, "blurred", 0.1)]
    assert sorted(illustrate(findings, table(names), packed, 60, 3)) == [8, 9, 10]


def test_there_are_never_more_pictures_than_fit_into_a_page(images: tuple[list[str], Images]) -> None:
    names, packed = images
    checks = ("near_duplicate", "same_thing", "duplicate")
    findings = [finding(names, row, check, float(row), PATHS[row + 1]) for check in checks for row in range(38)]
    shown = illustrate(findings, table(names), packed, 60)
    assert sum(1 + (one.other_picture is not None) for one in shown.values()) == MAX_PICTURES
