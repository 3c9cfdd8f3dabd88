"""The sample data set: the handwritten digits that scikit-learn carries, as PNG files in class folders.

1,797 greyscale images of 8 x 8 pixels (Source: E. Alpaydin, C. Kaynak, Optical Recognition of Handwritten Digits,
UCI Machine Learning Repository, 1998). The files are the same to the byte on every machine: the values 0 to 16 become
0 to 255 by integer arithmetic, and PNG's compression, which differs between builds of zlib, is switched off.
"""

from pathlib import Path

import numpy as np
from PIL import Image

from darkroom.system.errors import InputError
from darkroom.system.files import whole


def write_sample(folder: Path) -> int:
    """Writes the digits into a folder a class, `0` to `9`.

    Args:
        folder: A folder that is missing or empty.

    Returns:
        The number of images.

    Raises:
        InputError: There is something in the folder.
    """
    from sklearn.datasets import load_digits

    if folder.is_dir() and any(folder.iterdir()):
        raise InputError(f"{folder} is not empty: the sample would mix with what is there; name another folder or empty it")
    digits = load_digits()
    with whole(folder) as draft:
        for number, (values, label) in enumerate(zip(digits.images.astype(np.int64), digits.target, strict=True)):
            place = draft / str(label)
            place.mkdir(parents=True, exist_ok=True)
            picture = Image.fromarray((values * 255 // 16).astype(np.uint8))
            picture.save(place / f"digit-{number:04d}.png", compress_level=0)
    return len(digits.target)
