"""`embed`: looks at every image once, through a backbone and for its scan; what earlier runs have computed is taken from the store."""

import contextlib
import tempfile
import time
from pathlib import Path

from components.embed.config import EmbedConfig
from components.embed.inference import embed_images
from components.embed.selection import choose_backbone
from darkroom import embeddings as noun
from darkroom.embeddings import LAYER, Origin
from darkroom.images import Images
from darkroom.networks.architectures import HANDCRAFTED
from darkroom.networks.backbones import OWN_WEIGHTS, backbone_of, weights_file
from darkroom.networks.embedder import Place, choose_place, embedder
from darkroom.networks.pretrained import Backbone
from darkroom.notes import tell
from darkroom.part import read_part, refuse_without_store
from darkroom.scans import FILE, scan_images, to_bytes
from darkroom.system.cores import num_cores
from darkroom.training import devices
from darkroom.vector_store import ScanStore, VectorStore, damage_told

_PROGRESS_S = 10.0


def embed(images: Path, embeddings: Path, *, config: EmbedConfig, store: Path | None = None, part: str = "") -> dict[str, float]:
    """Computes a vector, thumbnails, a signature and a scan of every image that can be decoded.

    One of several tasks that share a store computes a part of the images for it, and writes embeddings without a row.

    Args:
        images: The packed images.
        embeddings: Where the embeddings are written, see `darkroom.embeddings`, and beside them the scans, see `darkroom.scans`.
        config: Backbone, precision and all else.
        store: A folder in which vectors and scans are kept from run to run; without one, all images are computed.
        part: Which part of the images, in the order of their ids, is computed for the store, such as `2/4`; empty: all, and written.

    Returns:
        `num_embedded` images, `num_computed` of their vectors now, `num_unreadable`, which have no row, and `num_features` of a vector.

    Raises:
        InputError: There is no such backbone, it can't compute here in that precision, or the store can't be written, or is missing.
    """
    refuse_without_store(part, store)
    packed = Images(images)
    all_names = sorted(packed)
    choice = choose_backbone(packed, all_names, config)  # the same in each part
    names = read_part(part).of(all_names) if part else all_names
    weights = config.weights if all_names else ""
    backbone = backbone_of(choice.name, weights)
    place = choose_place(config.device, "float32" if choice.name == HANDCRAFTED else config.precision)
    name = backbone.name if weights else choice.name
    origin = Origin(name, backbone.weights_sha256, LAYER, backbone.recipe, place.precision, place.device, backbone.num_features)
    with contextlib.ExitStack() as stack:
        root = store or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="darkroom-")))
        kept, scans = VectorStore(root, origin, names), ScanStore(root, names)
        missing, unscanned = ([name for name in names if name not in known] for known in (kept, scans))
        _compute(packed, missing, backbone, place, kept, scans, config)
        _scan(packed, [name for name in unscanned if name in kept and name not in scans], scans)
        num_computed = sum(name in kept for name in missing)
        notes = tell("embed", [choice.reason] if names else [], damage_told(kept, scans))
        if names:
            print(f"computed {num_computed:,} of {len(names):,} images", "" if store else "(no store of vectors keeps them)", flush=True)
        written = [] if part else names
        files = {FILE: to_bytes(scans.rows(written))} | ({OWN_WEIGHTS: weights_file(backbone)} if weights else {})
        noun.write(embeddings, origin, kept.rows(written), notes, files)
        num_embedded = sum(name in kept for name in names)
    return {
        "num_embedded": float(num_embedded),
        "num_computed": float(num_computed),
        "num_unreadable": float(len(names) - num_embedded),
        "num_features": float(origin.num_features),
    }


def _compute(
    packed: Images, missing: list[str], backbone: Backbone, place: Place, kept: VectorStore, scans: ScanStore, config: EmbedConfig
) -> None:
    """Computes the vectors of images, and the scans that are not kept yet."""
    if not missing:
        return
    default = 8 if place.device == "cpu" else 256
    batch_size = default if config.batch_size == "auto" else config.batch_size
    num_threads = num_cores() if config.num_threads == "auto" else config.num_threads
    unscanned = frozenset(name for name in missing if name not in scans)
    compute, done, told = embedder(backbone, place), 0, time.monotonic()
    with devices.threads(1):  # of torch: the threads that call it are as many as there are cores
        for vectors, scanned in embed_images(packed, missing, compute, backbone.recipe, batch_size, num_threads, unscanned):
            scans.add(scanned)
            if vectors is not None:
                kept.add(vectors)
                done += vectors.num_rows
            if time.monotonic() - told > _PROGRESS_S:
                told = time.monotonic()
                print(f"computed {done:,} of {len(missing):,} images", flush=True)
    scans.flush()
    kept.flush()


def _scan(packed: Images, names: list[str], scans: ScanStore) -> None:
    """Scans images whose vectors are kept by a version of Darkroom that made no scans, or by another decoder."""
    for rows, _ in scan_images(packed, names):
        scans.add(rows)
    scans.flush()
