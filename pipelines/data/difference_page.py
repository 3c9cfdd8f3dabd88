"""The page of a difference of two data versions: one HTML file, complete in itself, with the images as small pictures."""

import base64
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from darkroom.images import Images
from darkroom.pixels import UnreadableError
from darkroom.preview import preview
from darkroom.short_names import shortened
from darkroom.system.files import whole
from pipelines.data.difference import KINDS, DataDifference
from pipelines.data.show_difference import sentence, test_row

MAX_PICTURES = 60  # of a kind
_SIDE_PX = 160
_NAME_LENGTH = 24  # characters of a class beside its bars, in two lines where they are narrow, as on a phone
_ABOUT = {
    "added": "Images that only the later data has.",
    "removed": "Images that only the earlier data has.",
    "relabelled": "Images of both with other labels.",
    "moved": "Images of both in another split: what was trained on may now be tested on.",
}


def write_page(path: Path, found: DataDifference) -> None:
    """Writes the page; equal differences make equal bytes."""
    files = Images(*found.before.packed, *found.after.packed)
    environment = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    tests = [test_row("MMD² of the vectors", found.drift.mmd), test_row("AUC of a classifier", found.drift.auc)] if found.drift else []
    environment.filters["shortened"] = shortened
    page = environment.get_template("difference.html.jinja").render(
        before=found.before, after=found.after, num_kept=found.num_kept, classes=found.classes, notes=found.notes, compared=found.compared,
        tests=tests, statistics=found.statistics,
        kinds=[{"name": kind, "about": _ABOUT[kind], "number": len(found.changes[kind]), "images": _images(kind, found, files)}
               for kind in KINDS],
        name_length=_NAME_LENGTH, largest=max([1e-9, *(max(row["share_before"], row["share_after"]) for row in found.classes)]),
    )  # fmt: skip
    with whole(path) as draft:
        draft.write_text(page, encoding="utf-8")


def _images(kind: str, found: DataDifference, files: Images) -> list[dict[str, Any]]:
    return [
        {"id": change.image_id, "path": change.path, "what": sentence(change, kind), **_picture(change.image_id, files)}
        for change in found.changes[kind][:MAX_PICTURES]
    ]


def _picture(name: str, files: Images) -> dict[str, Any]:
    """A small picture as a `data:` address, and whether it is tiny; an empty address where there is none."""
    try:
        picture = preview(files[name], _SIDE_PX)
    except (KeyError, UnreadableError):
        return {"source": "", "is_tiny": False}
    address = f"data:image/{picture.kind};base64,{base64.b64encode(picture.data).decode()}"
    return {"source": address, "is_tiny": picture.kind == "png"}
