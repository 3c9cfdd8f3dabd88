"""What look-alikes are compared by: pictures are decoded once for those who ask again."""

from pathlib import Path

import numpy as np

from darkroom.images import Images, ImageWriter, image_id
from darkroom.similarity.look_alikes import Seen, find_look_alikes, see
from tests.photographs import jpeg, photograph


def seen_of(folder: Path, files: list[bytes]) -> tuple[Seen, list[int]]:
    """The images, and the rows that were read, in order."""
    with ImageWriter(folder) as writer:
        for data in files:
            writer.add(data)
    seen, read = see(Images(folder), [image_id(data) for data in files], None), list[int]()

    def reading(row: int) -> bytes:
        read.append(row)
        return seen.read(row)

    return Seen(seen.views, reading), read


def test_small_pictures_are_decoded_once_and_only_likely_ones(tmp_path: Path) -> None:
    files = [jpeg(photograph(seed).resize((60, 48)), quality) for seed in (1, 2, 3) for quality in (95, 80)] + [jpeg(photograph(9))]
    seen, read = seen_of(tmp_path / "images", files)
    assert find_look_alikes(seen).pairs.tolist() == [[0, 1], [2, 3], [4, 5]]
    assert np.bincount(read).tolist() == [2] * 6  # once for the pixels, once for the size in the header


def test_large_pictures_are_decoded_at_two_sides(tmp_path: Path) -> None:
    files = [jpeg(photograph(seed), quality) for seed in (1, 2) for quality in (95, 80)]
    seen, read = seen_of(tmp_path / "images", files)
    assert find_look_alikes(seen).pairs.tolist() == [[0, 1], [2, 3]]
    assert np.bincount(read).tolist() == [3] * 4
