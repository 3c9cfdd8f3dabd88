"""Small pictures of the worst findings of each check, for the report, which sees no image."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Any

from darkroom.images import Images
from darkroom.issues import EXPECTED, WITHOUT_PICTURE, Illustration, by_check
from darkroom.manifest import Manifest
from darkroom.pixels import UnreadableError
from darkroom.preview import preview

MAX_PICTURES = 60  # of all checks together: the report is one file, which people send by mail
_SIDE_PX = 160
_LOSSLESS_PX = 64


def illustrate(
    findings: Sequence[Mapping[str, Any]],
    delivered: Manifest,
    images: Images,
    num_findings: int,
    max_pictures: int = MAX_PICTURES,
) -> dict[int, Illustration]:
    """Pictures of the worst findings of each check, and of the images that these are like: by the number of the finding.

    Where the pictures are too few for all checks, each gets its worst finding before any gets its second.

    Args:
        findings: Dictionaries, see `darkroom.issues`.
        delivered: A row a delivered file.
        images: The files.
        num_findings: How many of a check at most.
        max_pictures: How many pictures at most.
    """
    paths = delivered.column("path")
    names, labels = (dict(zip(paths, column, strict=True)) for column in (delivered.column("image_id"), delivered.label_lists()))
    shown: dict[int, Illustration] = {}
    num_pictures = 0
    for number in _in_turn(findings, num_findings):
        path, other_id = findings[number]["path"], names.get(findings[number].get("other"))
        picture, other = _small(images, findings[number]["image_id"]), _small(images, other_id)
        if picture is None:
            continue
        num_pictures += 1 + (other is not None)
        if num_pictures > max_pictures:
            break
        shown[number] = Illustration(picture, labels.get(path) or (), findings[number].get(EXPECTED), other_id if other else None, other)
    return shown


def _in_turn(findings: Sequence[Mapping[str, Any]], num_findings: int) -> Iterator[int]:
    """The numbers of the worst findings that have an image: the worst of each check, then the second of each, and so on."""
    checks = {check: numbers for check, numbers in by_check(findings).items() if check not in WITHOUT_PICTURE}
    worst = [[number for number in numbers if findings[number]["image_id"]][:num_findings] for numbers in checks.values()]
    return (number for turn in zip_longest(*worst) for number in turn if number is not None)


def _small(images: Images, name: str | None) -> bytes | None:
    """An image's small picture; nothing where it has none."""
    if name is None or name not in images:
        return None
    try:
        return preview(images[name], _SIDE_PX, _LOSSLESS_PX).data
    except UnreadableError:
        return None
