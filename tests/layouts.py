"""Draws data as people have it: tiny pictures in folders, and tables beside them."""

import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path

from PIL import Image

from components.ingest.config import IngestConfig
from components.ingest.ingest import ingest
from darkroom.manifest import Manifest, read


@cache
def picture(number: int) -> bytes:
    """A PNG of its own for each number."""
    file = io.BytesIO()
    Image.new("RGB", (5, 5), (number % 256, number // 256, 7)).save(file, "PNG")
    return file.getvalue()


def draw(root: Path, paths: Iterable[str], start: int = 0) -> Path:
    """Draws pictures, each other than the others."""
    for number, path in enumerate(paths, start):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(picture(number))
    return root


def lay(root: Path, paths: Iterable[str], texts: Mapping[str, str | bytes]) -> Path:
    """Draws pictures, and writes files with these texts."""
    draw(root, paths)
    for path, text in texts.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(text if isinstance(text, bytes) else text.encode())
    return root


def ingested(root: Path, **settings: object) -> Manifest:
    """The manifest that `ingest` makes of a folder, a table or an archive."""
    out = root.parent / f"{root.name}-out"
    ingest(root, out / "images", out / "manifest.parquet", config=IngestConfig.model_validate(settings))
    return read(out / "manifest.parquet")


def by_path(manifest: Manifest, column: str = "") -> dict[str, object]:
    """A column of a manifest by path; by default the labels, joined where there may be several."""
    several = manifest.task == "multilabel" and not column
    values = manifest.column(column or ("labels" if several else "label"))
    return dict(zip(manifest.column("path"), ["|".join(cell) for cell in values] if several else values, strict=True))


SIX = [f"{number}.png" for number in range(6)]


def table(header: str, cells: Callable[[int, str], Iterable[object]], separator: str = ",", paths: Sequence[str] = SIX) -> str:
    """A table with these columns; the cells of a row are made from the number and the path of a file."""
    return "\n".join([header, *(separator.join(map(str, cells(number, path))) for number, path in enumerate(paths))]) + "\n"


def labelled(labels: Sequence[str], header: str = "filename,label", paths: Sequence[str] = SIX) -> str:
    """A table of files and labels in turn."""
    return table(header, lambda number, path: (path, labels[number % len(labels)]), paths=paths)
