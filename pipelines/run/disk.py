"""How much disk a run needs, estimated before it starts.

What an earlier run of the same data and settings of a step left is the best estimate of what that step leaves now. For
the rest there are factors, settings of `platform`, measured on the sample's 1,797 digits and on 1,125 photographs.
"""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from darkroom.data_files import is_table, list_files
from darkroom.networks.families import ON_VECTORS
from darkroom.pixel_store import MEMORY_BYTES
from darkroom.system.errors import InputError
from darkroom.tracking.log import Params, as_texts
from darkroom.tracking.tags import CODE, DISK
from darkroom.versions.addresses import is_address
from darkroom.versions.code import code_version
from pipelines import history
from pipelines.history import Record
from pipelines.paths import ROOT
from pipelines.platform import PlatformConfig
from pipelines.sizes import in_units, size_of

WEIGHTS_BYTES = {  # 32-bit
    "auto": 19_000_000, "small_cnn": 5_000_000, "lite0_local": 300_000,
    "lite0": 19_000_000, "lite1": 22_000_000, "lite2": 25_000_000,
}  # fmt: skip
VIEW_BYTES = 2 * 0.46875  # of a kept view, a pixel of the image: `lite2`, of which most are kept
BACKBONE_BYTES = 19_000_000  # of the weights of `lite0`


@dataclass(frozen=True)
class Need:
    """How much a run will take.

    Attributes:
        parts: Bytes by what takes them.
        basis: What the figures rest on.
        at_most: Bytes that training writes at most, as far as the disk has room for them, by what takes them.
    """

    parts: Mapping[str, int]
    basis: str
    at_most: Mapping[str, int] = field(default_factory=dict)

    @property
    def total(self) -> int:
        """All that the run can't do without, in bytes."""
        return sum(self.parts.values())


def estimate(source: Path, version: str, params: Params, platform: PlatformConfig) -> Need:
    """What a run will take on the disk.

    Args:
        source: Where its data is.
        version: Hash of the data; the MLflow store is asked for earlier runs on it.
        params: Its settings, a section a step.
        platform: Bytes of what no earlier run has measured.
    """
    earlier = [run for run in history.runs(data_version=version) if DISK in run.tags]
    number, size = _count(source, platform.disk_archived_bytes)
    tested, unlabelled = (_further(params.get(step, {}), platform.disk_archived_bytes) for step in ("evaluate", "pretrain"))
    weights = _weights_bytes(str(params["train"]["model"]))
    parts = {
        "images": size + platform.disk_row_bytes * number,
        "copies": _copies(params, number, size, platform.disk_copy_bytes),
        "further images": tested[1] + unlabelled[1] + platform.disk_row_bytes * (tested[0] + unlabelled[0]),
        "vectors": platform.disk_vector_bytes * (number + tested[0]),
        "models": round(platform.disk_model_factor * weights),
        "reports": platform.disk_report_bytes,
    }
    basis = f"estimated from {number} files of {in_units(size)}"
    for part, step in (("images", "ingest"), ("copies", "augment"), ("vectors", "embed")):
        left = _left(earlier, step, params[step])
        if left is not None:
            parts[part], basis = left, "as earlier runs of this data took"
    return Need({part: size for part, size in parts.items() if size}, basis, _decoded(params["train"], number))


def check_free(need: Need, free: int, folder: Path, margin: float) -> str:
    """Checks that a run finds the disk that it needs.

    Args:
        need: Of a run.
        free: Bytes that are free.
        folder: Where, for the message.
        margin: A warning is due where less than this many times the need is free.

    Returns:
        A warning where it is close, else an empty text.

    Raises:
        InputError: There is less than the run needs.
    """
    listed, most = _listed(need.parts), sum(need.at_most.values())
    sentence = f"the run needs about {in_units(need.total)} of disk ({listed}; {need.basis}), and {in_units(free)} are free under {folder}"
    if need.total > free:
        raise InputError(f"{sentence}: free some, for example with `darkroom gc`")
    if need.total + most > free:
        sentence = f"{sentence}; training writes up to {in_units(most)} more ({_listed(need.at_most)})"
    return f"note: {sentence}: that is close" if need.total * margin > free or need.total + most > free else ""


def free_bytes(folder: Path) -> int:
    """Free bytes of the file system of a folder, which may not exist yet."""
    while not folder.exists():
        folder = folder.absolute().parent
    return shutil.disk_usage(folder).free


def used_bytes(folder: Path) -> str:
    """What each step of a run left in its folder, as the tag `DISK` keeps it."""
    sizes: dict[str, int] = {}
    for path in (folder / "artifacts").glob("*/*"):
        step = path.name.replace("-component", "").replace("-", "_")
        sizes[step] = sizes.get(step, 0) + size_of(path)
    return json.dumps(sizes, sort_keys=True)


def _left(earlier: list[Record], step: str, section: Mapping[str, Any]) -> int | None:
    """What a step with these settings left in an earlier run: nothing more is needed where it is still here."""
    settings = as_texts({step: section})
    for run in earlier:
        size = json.loads(run.tags[DISK]).get(step)
        if size is not None and all(run.params.get(name) == value for name, value in settings.items()):
            here = any((ROOT / run.run_id / "artifacts").glob(f"*/{step}-component"))
            return 0 if here and run.tags.get(CODE + step, "") == code_version(step) else int(size)
    return None


def _count(source: Path, archived_bytes: int) -> tuple[int, int]:
    """Files, and their bytes; of an archive its own bytes: images hardly shrink."""
    if is_address(source):
        return 0, 0  # only earlier runs show it
    if source.is_file() and not is_table(source):
        return 1 + source.stat().st_size // archived_bytes, source.stat().st_size
    sizes = list_files(source).sizes.values()
    return len(sizes), sum(sizes)


def _further(section: Mapping[str, Any], archived_bytes: int) -> tuple[int, int]:
    """Files, and their bytes, of the data that a step's section names beside the run's own."""
    is_read = section.get("data") and section.get("enabled", True)
    return _count(Path(section["data"]), archived_bytes) if is_read else (0, 0)


def _copies(params: Params, number: int, size: int, copy_bytes: int) -> int:
    config = params["augment"]
    most = min(int(config["max_copies"]), number * int(config["max_copies_per_image"]))
    return most * min(copy_bytes, 4 * size // max(1, number))


def _decoded(config: Mapping[str, Any], number: int) -> dict[str, int]:
    """What is on the disk of decoded images, and of the views of them that frozen layers have seen, if all have the largest side.

    Args:
        config: The section `train`.
        number: Images.
    """
    if config["model"] in ON_VECTORS:
        return {}
    is_light = config["model"] == "auto" or config["model"].startswith("lite")
    sides = [config["auto_base_side_px"], config["auto_max_side_px"]]
    sides += [config["auto_pretrained_max_side_px"]] if config["model"] != "small_cnn" else []
    side = max(sides) if config["side_px"] == "auto" else int(config["side_px"])
    views = config["kept_views"] if is_light else 0
    limit = int(config["auto_kept_views_mb"] * 2**20) if views == "auto" else None
    kept = round(number * (config["auto_kept_views"] if views == "auto" else views) * VIEW_BYTES * side**2)
    found = {"decoded pixels": number * 3 * side**2, "kept views": kept if limit is None else min(kept, limit)}
    return {part: size for part, size in found.items() if size > MEMORY_BYTES}


def _listed(parts: Mapping[str, int]) -> str:
    return ", ".join(f"{part} {in_units(size)}" for part, size in parts.items())


def _weights_bytes(model: str) -> int:
    if model in WEIGHTS_BYTES:
        return WEIGHTS_BYTES[model]
    if model in ON_VECTORS:
        return BACKBONE_BYTES
    import torch  # takes seconds, so only where it must

    from darkroom.networks.network import build

    with torch.device("meta"):
        return 4 * sum(value.numel() for value in build(model, 1000, side_px=224).parameters())
