"""Pictures that look like photographs to what compares them: structure at every scale, drawn from a seed."""

import io

import numpy as np
from PIL import Image


def photograph(seed: int, width: int = 120, height: int = 96) -> Image.Image:
    """A picture of its own for every seed."""
    rng = np.random.default_rng(seed)
    total = np.zeros((height, width, 3))
    for cells, strength in ((4, 60), (12, 40), (32, 35)):
        coarse = Image.fromarray(rng.integers(0, 256, (cells, cells, 3), dtype=np.uint8))
        total += strength / 128 * (np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC), float) - 128)
    return Image.fromarray(np.clip(total + 128, 0, 255).astype(np.uint8))


def jpeg(picture: Image.Image, quality: int = 85) -> bytes:
    """The picture as a file."""
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=quality)
    return file.getvalue()


def png(pixels: np.ndarray) -> bytes:
    """Pixels, `(H, W, 3) uint8`, as a file that keeps them."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()
