"""A run to be reviewed, without its data: an image and a finding a path."""

import io
from pathlib import Path
from typing import Any

from PIL import Image

from darkroom.images import ImageWriter
from darkroom.manifest import Manifest, make_table
from pipelines.review.reviewed_run import ReviewedRun

NASTY = '"><img src=x onerror=alert(1)>.png'


def encoded(number: int, side: int = 400) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (side, side // 2), (number % 256, 80, number // 256)).save(file, "PNG")
    return file.getvalue()


def make_run(folder: Path, paths: list[str], task: str = "multiclass", checks: tuple[str, ...] = ("dark",)) -> ReviewedRun:
    """A run with an image and a finding a path, whose packed images are all that is left."""
    (folder / "data").mkdir(parents=True)
    with ImageWriter(folder / "images") as writer:
        names = [writer.add(encoded(number)) for number in range(len(paths))]
    columns: dict[str, Any] = {"path": paths, "image_id": names, "split": ["test"] * len(paths)}
    columns |= {"labels": [["cat"]] * len(paths)} if task == "multilabel" else {"label": ["cat"] * len(paths)}
    table = Manifest(make_table(columns), ("cat", "dog"), task, "v")  # type: ignore[arg-type]
    rows = [
        {"path": path, "image_id": name, "check": checks[number % len(checks)], "score": float(number), "action": "flagged", "detail": "d",
         "other": paths[0] if number else None}
        for number, (path, name) in enumerate(zip(paths, names, strict=True))
    ]  # fmt: skip
    return ReviewedRun("a" * 32, folder / "data", table, table, rows, folder / "images", None)
