"""Pictures as a part of the page: `data:` addresses that need no file."""

import base64
import io
from pathlib import Path

from PIL import Image

_MAX_PNG_BYTES = 400_000  # above this, the contact sheet is shown as JPEG


def embed(data: bytes, kind: str) -> str:
    """A picture's address, from its file's bytes and the ending of its name."""
    return f"data:image/{kind.replace('jpg', 'jpeg')};base64,{base64.b64encode(data).decode()}"


def sheet(path: Path, max_width_px: int) -> str:
    """The address of the contact sheet; of a larger one, that of a smaller picture.

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
