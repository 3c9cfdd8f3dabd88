"""Makes the pictures that balance the classes: a training image, augmented once, encoded again."""

import hashlib
import io
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import torch
from PIL import Image

from darkroom import pixels
from darkroom.augmentation.operations import apply
from darkroom.augmentation.policy import Operation, Policy
from darkroom.images import Images, ImageWriter
from darkroom.manifest import Manifest, put_column
from darkroom.system.files import whole
from darkroom.system.parallel import ordered

SMALL_PX = 64  # up to here every pixel counts, and the file is small anyway: PNG
JPEG_QUALITY = 95
REPORT_EVERY = 500


@dataclass(frozen=True)
class Order:
    """The copies that are to be made.

    Attributes:
        training: The rows of the training split.
        copies: `(N,) int64` copies of each of them.
        policy: What training does on the fly; a copy draws each operation twice as often.
        max_side_px: Longer side of a copy at most.
        seed: Decides what each copy draws.
    """

    training: Manifest
    copies: npt.NDArray[np.int64]
    policy: Policy
    max_side_px: int
    seed: int


def pack(order: Order, delivered: Images, assigned: Manifest, augmented_images: Path, examples: Path) -> None:
    """Makes the copies, packs them, and writes the manifest that has a row for each beside all that are `assigned`."""
    sources = np.repeat(np.arange(len(order.copies)), order.copies)
    turns = np.concatenate([np.arange(1, num + 1) for num in order.copies.tolist()]).astype(np.int64)
    names, likelier = order.training.column("image_id"), stronger(order.policy)

    def make(place: int) -> tuple[bytes, tuple[int, int]]:
        name = names[sources[place]]
        return copy(delivered[name], likelier, order.max_side_px, f"{order.seed} {name} {turns[place]}")

    made, sizes = [], []
    with whole(augmented_images) as folder, ImageWriter(folder) as writer:
        for number, (data, size) in enumerate(ordered(make, range(len(sources))), start=1):
            made.append(writer.add(data))
            sizes.append(size)
            if number % REPORT_EVERY == 0:
                print(f"copy {number}/{len(sources)}", flush=True)
    rows = order.training.table.take(sources)
    columns = {
        "path": _paths(rows["path"].to_pylist(), turns, set(assigned.column("path"))),
        "image_id": made,
        "width": [size[0] for size in sizes],
        "height": [size[1] for size in sizes],
        "given_split": [None] * len(sources),
        "source_id": rows["image_id"].to_pylist(),
    }
    _write(assigned, rows, columns, examples)


def _paths(sources: list[str], turns: npt.NDArray[np.int64], taken: set[str]) -> list[str]:
    """A path for each copy; a number is passed over where the delivered files have such a path already."""
    paths = []
    for source, turn in zip(sources, turns.tolist(), strict=True):
        number = turn
        while (path := f"augmented/{number}/{source}") in taken:
            number += 1
        taken.add(path)
        paths.append(path)
    return paths


def _write(assigned: Manifest, rows: pa.Table, columns: dict[str, list[object]], examples: Path) -> None:
    """Writes all rows with those of the copies below: `rows` of their sources, in `columns` their own."""
    originals: pa.Table = assigned.table
    if "source_id" not in originals.column_names:
        originals = originals.append_column("source_id", pa.nulls(len(originals), pa.string()))
        rows = rows.append_column("source_id", pa.nulls(len(rows), pa.string()))
    for name, values in columns.items():
        if name in rows.column_names:
            rows = put_column(rows, name, values)
    replace(assigned, table=pa.concat_tables([originals, rows.select(originals.column_names)]).combine_chunks()).write(examples)


def stronger(policy: Policy) -> Policy:
    """The policy with its operations twice as likely, but for mirroring: a copy should differ from its source."""
    return Policy(operations=tuple(one if one.name.endswith("_flip") else _likelier(one) for one in policy.operations))


def _likelier(operation: Operation) -> Operation:
    return operation.model_copy(update={"probability": min(1.0, 2 * operation.probability)})


def copy(data: bytes, policy: Policy, max_side_px: int, seed: str) -> tuple[bytes, tuple[int, int]]:
    """Makes one augmented copy.

    Args:
        data: The source's file.
        policy: What may happen to it.
        max_side_px: The copy's longer side at most.
        seed: Any text; equal texts make equal copies.

    Returns:
        The copy's file, and its width and height in pixels.

    Raises:
        UnreadableError: The source is no whole image.
    """
    picture = pixels.decode(data, at_least_px=max_side_px)
    picture.thumbnail((max_side_px, max_side_px), Image.Resampling.BILINEAR)
    number = int.from_bytes(hashlib.sha256(seed.encode()).digest()[:8], "big") >> 1
    result = to_picture(apply(policy, to_batch(picture), torch.Generator().manual_seed(number)))
    file = io.BytesIO()
    if max(result.size) <= SMALL_PX:
        result.save(file, "PNG", compress_level=1)
    else:
        result.save(file, "JPEG", quality=JPEG_QUALITY, subsampling=0)
    return file.getvalue(), result.size


def to_batch(picture: Image.Image) -> torch.Tensor:
    """An RGB picture as `(1, 3, H, W) float32` in 0..1."""
    return torch.from_numpy(np.array(picture)).permute(2, 0, 1)[None].float().div(255)


def to_picture(batch: torch.Tensor) -> Image.Image:
    """The first image of `(N, 3, H, W) float32` in 0..1 as a picture."""
    values = batch[0].mul(255).round().clamp(0, 255).to(torch.uint8).permute(1, 2, 0)
    return Image.fromarray(np.ascontiguousarray(values.numpy()))
