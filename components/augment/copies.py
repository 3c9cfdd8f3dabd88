"""Makes the copies that balance the classes: training images, augmented once and encoded again."""

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
from darkroom.manifest import OF_FILES, Manifest, put_column
from darkroom.system.files import whole
from darkroom.system.parallel import ordered

SMALL_PX = 64  # images up to this side are stored as PNG: JPEG would blur them, and the files are small
JPEG_QUALITY = 95
REPORT_EVERY = 500


@dataclass(frozen=True)
class CopyPlan:
    """The copies to make.

    Attributes:
        training: The rows of the training split.
        copies: `(N,) int64` copies of each of them.
        policy: The policy of training; copies draw its operations, but not its choices, twice as often.
        max_side_px: Longer side of a copy at most.
        seed: Decides what each copy draws.
    """

    training: Manifest
    copies: npt.NDArray[np.int64]
    policy: Policy
    max_side_px: int
    seed: int


def write_copies(plan: CopyPlan, delivered: Images, assigned: Manifest, augmented_images: Path, examples: Path) -> None:
    """Makes the copies, packs them, and writes the manifest that has a row for each beside all that are `assigned`."""
    sources = np.repeat(np.arange(len(plan.copies)), plan.copies)
    repeats = np.concatenate([np.arange(1, num + 1) for num in plan.copies.tolist()]).astype(np.int64)
    names, policy = plan.training.column("image_id"), raise_probabilities(plan.policy)

    def make(index: int) -> tuple[bytes, tuple[int, int]]:
        name = names[sources[index]]
        return copy(delivered[name], policy, plan.max_side_px, f"{plan.seed} {name} {repeats[index]}")

    made, sizes = [], []
    with whole(augmented_images) as folder, ImageWriter(folder) as writer:
        for number, (data, size) in enumerate(ordered(make, range(len(sources))), start=1):
            made.append(writer.add(data))
            sizes.append(size)
            if number % REPORT_EVERY == 0:
                print(f"copy {number}/{len(sources)}", flush=True)
    rows = plan.training.table.take(sources)
    columns = {
        "path": _paths(rows["path"].to_pylist(), repeats, set(assigned.column("path"))),
        "image_id": made,
        "width": [size[0] for size in sizes],
        "height": [size[1] for size in sizes],
        "given_split": [None] * len(sources),
        "source_id": rows["image_id"].to_pylist(),
        **dict.fromkeys(OF_FILES, [None] * len(sources)),
    }
    _write(assigned, rows, columns, examples)


def _paths(sources: list[str], repeats: npt.NDArray[np.int64], taken: set[str]) -> list[str]:
    """A path for each copy; numbers whose path a delivered file has are skipped."""
    paths = []
    for source, repeat in zip(sources, repeats.tolist(), strict=True):
        number = repeat
        while (path := f"augmented/{number}/{source}") in taken:
            number += 1
        taken.add(path)
        paths.append(path)
    return paths


def _write(assigned: Manifest, rows: pa.Table, columns: dict[str, list[object]], examples: Path) -> None:
    """Writes the assigned rows and below them the copies: `rows` are those of their sources, `columns` replace the copies' own."""
    originals: pa.Table = assigned.table
    if "source_id" not in originals.column_names:
        originals = originals.append_column("source_id", pa.nulls(len(originals), pa.string()))
        rows = rows.append_column("source_id", pa.nulls(len(rows), pa.string()))
    for name, values in columns.items():
        if name in rows.column_names:
            rows = put_column(rows, name, values)
    replace(assigned, table=pa.concat_tables([originals, rows.select(originals.column_names)]).combine_chunks()).write(examples)


def raise_probabilities(policy: Policy) -> Policy:
    """The policy with all probabilities doubled but those of mirroring and of the choices, since a copy should differ from its source."""
    operations = tuple(one if one.name.endswith("_flip") else _double_probability(one) for one in policy.operations)
    return policy.model_copy(update={"operations": operations})


def _double_probability(operation: Operation) -> Operation:
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
