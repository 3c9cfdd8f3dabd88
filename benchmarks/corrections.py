"""What each correction takes an image, beside decoding a JPEG of 1024 x 768: processor time of one thread, the median of eight pictures.

.venv/bin/python benchmarks/corrections.py
"""

import io
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from darkroom.pixels import pixels
from darkroom.preprocessing.corrections import NONE, Corrections, corrected
from darkroom.preprocessing.recipe import Recipe

CORRECTIONS = [
    NONE, Corrections(denoise="median"), Corrections(denoise="bilateral"), Corrections(denoise="non_local_means"),
    Corrections(colour="grey_world"), Corrections(brightness=0.5), Corrections(contrast="clahe"), Corrections(contrast="equalise"),
    Corrections(background="grabcut"),
]  # fmt: skip
SIDES_PX = (64, 224)


def picture(seed: int) -> Image.Image:
    """A thing of one colour on a ground with structure, as a photograph of 1024 x 768."""
    rng = np.random.default_rng(seed)
    ground = Image.fromarray(rng.integers(0, 256, (24, 32, 3), dtype=np.uint8)).resize((1024, 768), Image.Resampling.BICUBIC)
    ground.paste((220, 180, 40), (256, 192, 768, 576))
    return ground


def jpeg(image: Image.Image) -> bytes:
    """A picture as a file."""
    file = io.BytesIO()
    image.save(file, "JPEG", quality=90)
    return file.getvalue()


def median_ms(calls: list[Callable[[], object]]) -> float:
    """The median of what some calls take of the processor, after the first one was made once more."""
    calls[0]()
    taken = []
    for call in calls:
        start = time.thread_time()
        call()
        taken.append((time.thread_time() - start) * 1e3)
    return statistics.median(taken)


def main() -> None:
    """Prints a line a side and correction."""
    files = [jpeg(picture(seed)) for seed in range(8)]
    for side in SIDES_PX:
        print(f"{side} px: decoding {median_ms([partial(pixels, file, Recipe(side)) for file in files]):.2f} ms", flush=True)
        small = [pixels(file, Recipe(side)) for file in files]
        for wanted in CORRECTIONS[1:]:
            taken = median_ms([partial(corrected, one, wanted) for one in small])
            (name,) = wanted.names
            print(f"{side} px: {name} {getattr(wanted, name)} {taken:.2f} ms", flush=True)


if __name__ == "__main__":
    main()
