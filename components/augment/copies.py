"""Makes the copies that balance the classes: training images, augmented once and encoded again."""

import hashlib
import io
from collections.abc import Iterable, Iterator
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
from darkroom.file_store import FileStore, KeptFile
from darkroom.images import Images, ImageWriter
from darkroom.manifest import OF_FILES, Manifest, put_column
from darkroom.part import Part
from darkroom.picture_info import read_info
from darkroom.system.files import whole
from darkroom.system.parallel import ordered
from darkroom.versions.code import code_version

SMALL_PX = 64  # images up to this side are stored as PNG: JPEG would blur them, and the files are small
JPEG_QUALITY = 95
REPORT_EVERY = 500
Copy = tuple[bytes, tuple[int, int]]  # its file, and its width and height in pixels


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


class Drawing:
    """Draws the copies of a plan, in the order of their sources' paths.

    Args:
        plan: The copies to make.
        delivered: Images, those of the training split among them.

    Attributes:
        sources: `(C,) int64` row of each copy's source in the training split.
        repeats: `(C,) int64` number of each copy among those of its source, from 1.
    """

    def __init__(self, plan: CopyPlan, delivered: Images) -> None:
        self.plan, self._delivered = plan, delivered
        self.sources = np.repeat(np.arange(len(plan.copies)), plan.copies)
        self.repeats = np.concatenate([np.arange(1, num + 1) for num in plan.copies.tolist()]).astype(np.int64)
        self._names, self._policy = plan.training.column("image_id"), raise_probabilities(plan.policy)

    def keep(self, part: Part, kept: FileStore) -> int:
        """Draws those copies of a part that are not kept yet, and keeps them.

        Returns:
            How many copies the part has.
        """
        mine = part.of(range(len(self.sources)))
        new = [index for index in mine if not kept.find(self._stamp(index, kept))]
        if new:
            drawn = zip(new, _counted(ordered(self._draw, new), len(new)), strict=True)
            files = (KeptFile(self._stamp(index, kept), data, read_info(data)) for index, (data, _) in drawn)
            kept.keep(files, sorted({self._names[self.sources[index]] for index in new}))
        print(f"part {part}: kept {len(new):,} of {len(mine):,} copies now, {len(mine) - len(new):,} were kept already", flush=True)
        return len(mine)

    def take(self, kept: FileStore | None) -> Iterator[Copy]:
        """All copies: as they are kept, or drawn."""

        def one(index: int) -> Copy:
            found = kept.find(self._stamp(index, kept)) if kept else None
            data = kept.bytes_of(found[0]) if kept and found else None
            return (data, found[1].size) if found and data else self._draw(index)

        return _counted(ordered(one, range(len(self.sources))), len(self.sources))

    def _draw(self, index: int) -> Copy:
        return copy(self._delivered[self._names[self.sources[index]]], self._policy, self.plan.max_side_px, self._seed(index))

    def _seed(self, index: int) -> str:
        return f"{self.plan.seed} {self._names[self.sources[index]]} {self.repeats[index]}"

    def _stamp(self, index: int, kept: FileStore) -> str:
        drawn_by = f"{code_version('augment')} {self._policy.model_dump_json()} {self.plan.max_side_px}"
        return kept.stamp_of(f"{drawn_by} {self._seed(index)}")


def _counted(copies: Iterable[Copy], number: int) -> Iterator[Copy]:
    """The same copies, and from time to time a line that says how many there were."""
    for done, one in enumerate(copies, start=1):
        yield one
        if done % REPORT_EVERY == 0:
            print(f"copy {done}/{number}", flush=True)


def write_nothing(assigned: Manifest, augmented_images: Path, examples: Path, contact_sheet: Path) -> None:
    """Writes no copy, a manifest without a row, and an empty file in the place of the picture."""
    with whole(augmented_images) as folder, ImageWriter(folder):
        pass
    with whole(contact_sheet) as draft:
        draft.touch()
    replace(assigned, table=assigned.table.slice(0, 0)).write(examples)


def write_copies(drawing: Drawing, kept: FileStore | None, assigned: Manifest, augmented_images: Path, examples: Path) -> None:
    """Draws the copies or takes them as they are kept, packs them, and writes the manifest with a row for each below those `assigned`."""
    made, sizes = [], []
    with whole(augmented_images) as folder, ImageWriter(folder) as writer:
        for data, size in drawing.take(kept):
            made.append(writer.add(data))
            sizes.append(size)
    sources = drawing.sources
    rows = drawing.plan.training.table.take(sources)
    columns = {
        "path": _paths(rows["path"].to_pylist(), drawing.repeats, set(assigned.column("path"))),
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


def copy(data: bytes, policy: Policy, max_side_px: int, seed: str) -> Copy:
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
