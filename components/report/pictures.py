"""Pictures as a part of the page: `data:` addresses that need no file."""

import base64
import io
from pathlib import Path
from typing import Any

from PIL import Image

_MAX_PNG_BYTES = 400_000  # above this, a sheet is shown as JPEG


def embed(data: bytes, kind: str) -> str:
    """A picture's address, from its file's bytes and the ending of its name."""
    return f"data:image/{kind.replace('jpg', 'jpeg')};base64,{base64.b64encode(data).decode()}"


def embedded(data: bytes) -> dict[str, Any]:
    """A small PNG or JPEG file as `source`, and whether it is `tiny`, so that its pixels are to be seen when it is enlarged."""
    is_png = data.startswith(b"\x89PNG")
    return {"source": embed(data, "png" if is_png else "jpeg"), "tiny": is_png}


def figures(folder: Path, besides: str = "") -> list[dict[str, Any]]:
    """The PNG files of a folder, but for one of a name, with their sizes in pixels, a confusion matrix first."""
    paths = sorted(folder.glob("*.png"), key=lambda path: ("confusion" not in path.stem, path.name))
    return [_figure(path) for path in paths if path.name != besides]


def _figure(path: Path) -> dict[str, Any]:
    with Image.open(path) as picture:
        width, height = picture.size
    return {"name": path.stem.replace("_", " ").capitalize(), "source": embed(path.read_bytes(), "png"), "width": width, "height": height}


def sheet(path: Path, max_width_px: int) -> str:
    """The address of a sheet of pictures; of a larger one, that of a smaller picture.

    Args:
        path: A PNG file.
        max_width_px: Its width at most, in pixels.
    """
    data = path.read_bytes()
    with Image.open(io.BytesIO(data)) as picture:
        if picture.width <= max_width_px and len(data) <= _MAX_PNG_BYTES:
            return embed(data, "png")
        smaller = picture.convert("RGB")
    smaller.thumbnail((max_width_px, 100 * max_width_px), Image.Resampling.LANCZOS)
    file = io.BytesIO()
    smaller.save(file, "JPEG", quality=86)
    return embed(file.getvalue(), "jpeg")
