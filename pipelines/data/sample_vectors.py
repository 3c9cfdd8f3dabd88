"""Vectors and thumbnails of some images: those that earlier runs have kept, and for the rest what `embed` computes now."""

import contextlib
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from components.embed.config import EmbedConfig
from components.embed.embed import embed
from components.embed.selection import choose_backbone
from darkroom.embeddings import LAYER, Embeddings, Origin, write
from darkroom.images import Images, ImageWriter
from darkroom.named_weights import fetched_to, is_registered
from darkroom.registry.starting_models import fetched
from darkroom.vector_store import VectorStore, kept_origins, shard_names
from pipelines.paths import ROOT

STORE = ROOT / "vectors"


@dataclass(frozen=True)
class Sample:
    """Vectors of some images, all of one origin.

    Attributes:
        embeddings: Of the images that have one.
        num_computed: How many were computed now.
        num_without: Images that have none: they can't be decoded, or their bytes are not to be had.
        backbone: What computed them.
    """

    embeddings: Embeddings
    num_computed: int
    num_without: int
    backbone: str

    def vectors(self, names: Sequence[str]) -> npt.NDArray[np.float32]:
        """`(n, D)`: the vectors of those of the images that have one."""
        return self.embeddings.of([name for name in names if name in self.embeddings])


def sample_vectors(names: Sequence[str], files: Images, settings: Mapping[str, Any], scratch: Path) -> Sample:
    """The vectors of some images; what is computed is kept for later runs.

    Args:
        names: Their ids.
        files: Their bytes, as far as they are to be had.
        settings: Of `embed`, for what no run has computed.
        scratch: An empty folder.

    Raises:
        InputError: There is no such backbone, or the store can't be written.
    """
    names = sorted(set(names))
    kept = _most_kept(names)
    origin, config = kept, EmbedConfig(**settings)
    missing = [name for name in names if name not in VectorStore(STORE, kept, names)] if kept else names
    computable, num_computed = [name for name in missing if name in files], 0
    if computable or kept is None:
        made = _compute(computable, files, _like(kept, config, files), scratch / "missing")
        if kept and made.origin.key != kept.key:  # the code, the weights or the device are others than then
            made = _compute([name for name in names if name in files], files, config, scratch / "all")
        origin, num_computed = made.origin, len(computable)
    assert origin is not None
    folder = scratch / "vectors"
    number = write(folder, origin, VectorStore(STORE, origin, names).rows(names))
    return Sample(Embeddings(folder), num_computed, len(names) - number, origin.backbone)


def _compute(names: Sequence[str], files: Images, config: EmbedConfig, folder: Path) -> Embeddings:
    """What `embed` makes of some images; its lines go to standard error."""
    with ImageWriter(folder / "images") as writer:
        for name in names:
            writer.add(files[name])
    models = fetched([config.weights], ROOT / "models") if is_registered(config.weights) else {}
    with contextlib.redirect_stdout(sys.stderr), fetched_to(models):
        embed(folder / "images", folder / "embeddings", config=config, store=STORE)
    return Embeddings(folder / "embeddings")


def _like(origin: Origin | None, config: EmbedConfig, files: Images) -> EmbedConfig:
    """The settings with the backbone that made the kept vectors, or that `auto` would choose for all of the images."""
    if config.weights or config.backbone != "auto":
        return config
    if origin is None:
        return config.model_copy(update={"backbone": choose_backbone(files, sorted(files), config).name})
    return config.model_copy(update={"backbone": origin.backbone, "precision": origin.precision})


def _most_kept(names: Sequence[str]) -> Origin | None:
    """The origin of which most of the images have a kept vector; nothing where none has."""
    wanted, counts, origins = set(names), Counter[str](), dict[str, Origin]()
    for origin in kept_origins(STORE):
        if origin.layer != LAYER:  # those that labels are judged by
            continue
        found = set[str]()
        for path in (STORE / origin.key).glob("*.arrow"):
            with contextlib.suppress(pa.ArrowException, OSError):  # a damaged one is removed by those that read it
                found |= wanted & set(shard_names(path))
        if found:
            counts[origin.key], origins[origin.key] = len(found), origin
    return origins[counts.most_common(1)[0][0]] if counts else None
