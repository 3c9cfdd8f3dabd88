"""Balances the training split with augmented copies, and decides the policy that training applies to images on the fly."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from components.augment.balancing import Integers, plan_copies, smallest_share
from components.augment.config import AugmentConfig
from components.augment.contact_sheet import draw
from components.augment.copies import CopyPlan, Drawing, write_copies, write_nothing
from components.augment.mirroring import AXES, Limits, Mirroring, kept_labels, mirrorings
from darkroom import manifest
from darkroom.augmentation.policy import Policy
from darkroom.augmentation.policy_settings import make_policy
from darkroom.file_store import COPIES, FileStore
from darkroom.images import Images
from darkroom.manifest import Manifest
from darkroom.notes import tell
from darkroom.part import read_part, refuse_without_store
from darkroom.pixels import UnreadableError, pixels
from darkroom.preprocessing.recipe import Recipe
from darkroom.system.errors import InputError
from darkroom.system.files import whole
from darkroom.system.parallel import ordered

THUMBNAIL_PX = 16
NUM_MEASURED = 1200  # training images on which mirroring is measured: kernel ridge regression takes their number cubed
NUM_ROWS = 6


def augment(
    images: Path,
    splits: Path,
    augmented_images: Path,
    examples: Path,
    policy: Path,
    contact_sheet: Path,
    *,
    config: AugmentConfig,
    store: Path | None = None,
    part: str = "",
) -> dict[str, float]:
    """Balances the training split with augmented copies and decides the policy of training.

    Only images of the training split are read. Whether mirroring keeps their labels is measured on them (see `mirroring`):
    `horizontal_flip` is on unless it is measured to harm, `vertical_flip` only if it is measured not to.

    One of several tasks that share a store draws a part of the copies for it, and writes empty artifacts, but the policy.

    Args:
        images: Packed images.
        splits: Manifest with its `split` column.
        augmented_images: Where the copies are packed; a folder with an empty shard where there are none.
        examples: Where the manifest is written that has a row for each copy too, in the training split, with
            `source_id` and the path `augmented/<number>/<path>`.
        policy: Where the policy is written.
        contact_sheet: Where the picture is written that shows what the policy does.
        config: Strengths, target share and seed.
        store: A folder in which such tasks keep copies; what is not there is drawn.
        part: Which part of the copies, in the order of their sources' paths, is kept in the store, such as `2/4`; empty: all, and written.

    Returns:
        Copies (of the part, where it is one), operations, the rarest label's images as a share of the commonest's before and after, and
        the share of what a small classifier learnt that each mirroring leaves, where that was measured.

    Raises:
        InputError: There is no training image, or one can't be decoded; or a part is to be kept without a store.
    """
    refuse_without_store(part, store)
    delivered, assigned = Images(images), manifest.read(splits)
    training = assigned.where("train")
    if len(training) == 0:
        raise InputError("no image is left to train on: change the fractions of split, or add images")
    try:
        measured = _measure(delivered, training, config)
        chosen_policy = make_policy(config, kept_labels(measured))
        chosen_policy.write(policy)
        y_true = _y_true(training)
        copies = _plan(training, y_true, chosen_policy, config)
        measures = _measures(y_true, copies, chosen_policy, measured)
        drawing = Drawing(CopyPlan(training, copies, chosen_policy, config.max_side_px, config.seed), delivered)
        kept = FileStore(store, COPIES) if store and (part or (store / COPIES).is_dir()) else None
        if kept and part:
            measures["num_copies"] = drawing.keep(read_part(part), kept)
            write_nothing(assigned, augmented_images, examples, contact_sheet)
            return measures
        assigned = replace(assigned, notes=(*assigned.notes, *tell("augment", _describe(measured, chosen_policy, copies))))
        write_copies(drawing, kept, assigned, augmented_images, examples)
        _draw(delivered, training, chosen_policy, measured, contact_sheet, config.seed)
    except UnreadableError as error:
        raise InputError(f"a training image can't be decoded ({error}): run clean on these data first") from error
    return measures


def _describe(measured: dict[str, Mirroring], policy: Policy, copies: Integers) -> list[str]:
    said = [
        f"{name}: mirrored images keep {mirroring.kept:.0%} of what a small classifier learnt"
        for name, mirroring in measured.items()
        if mirroring.is_conclusive
    ]
    said.append(f"policy: {', '.join(operation.name for operation in policy.operations) or 'nothing'}")
    if policy.num_choices:
        said[-1] += f", and {policy.num_choices} of {', '.join(operation.name for operation in policy.choices)}"
    return [*said, f"{copies.sum():,} copies of {(copies > 0).sum():,} training images"]


def _measure(delivered: Images, training: Manifest, config: AugmentConfig) -> dict[str, Mirroring]:
    automatic = [name for name in AXES if getattr(config, name) == "auto"]
    if not automatic:
        return {}
    chosen = np.random.default_rng(config.seed).permutation(len(training))[:NUM_MEASURED]
    names = training.column("image_id")
    thumbnails = np.stack(list(ordered(lambda row: pixels(delivered[names[row]], Recipe(THUMBNAIL_PX)), chosen.tolist())))
    limits = Limits(config.flip_min_skill, config.flip_min_kept, config.flip_min_kept_by_label)
    found = mirrorings(thumbnails, _y_true(training)[chosen], limits)
    return {name: found[name] for name in automatic}


def _y_true(training: Manifest) -> Integers:
    targets = training.targets()
    return targets if training.task == "multilabel" else np.eye(len(training.classes), dtype=np.int64)[targets]


def _plan(training: Manifest, y_true: Integers, chosen_policy: Policy, config: AugmentConfig) -> Integers:
    if not chosen_policy.all_operations:  # unchanged copies would add nothing to training
        return np.zeros(len(training), dtype=np.int64)
    return plan_copies(
        y_true,
        target_share=config.target_share,
        max_per_image=config.max_copies_per_image,
        max_copies=config.max_copies,
        exclusive=training.task != "multilabel",
        seed=config.seed,
    )


def _measures(y_true: Integers, copies: Integers, chosen_policy: Policy, measured: dict[str, Mirroring]) -> dict[str, float]:
    return {
        "num_copies": int(copies.sum()),
        "num_operations": len(chosen_policy.all_operations),
        "smallest_share_before": smallest_share(y_true),
        "smallest_share_after": smallest_share(np.repeat(y_true, 1 + copies, axis=0)),
        **{f"kept_by_{name}": mirroring.kept for name, mirroring in measured.items() if mirroring.is_conclusive},
    }


def _draw(delivered: Images, training: Manifest, chosen_policy: Policy, measured: dict[str, Mirroring], path: Path, seed: int) -> None:
    rows = _samples(_y_true(training), seed)
    labels, names = training.label_lists(), training.column("image_id")
    shown = [(", ".join(labels[row]), delivered[names[row]]) for row in rows]
    notes = [
        f"{name.replace('_', ' ')}: mirrored images keep {mirroring.kept:.0%} of what a small classifier learnt, "
        + ("so it is on" if chosen_policy.get(name) else "so it is left out")
        for name, mirroring in measured.items()
        if mirroring.is_conclusive
    ]
    with whole(path) as draft:
        draw(chosen_policy, shown, notes, seed).save(draft, "PNG")


def _samples(y_true: Integers, seed: int) -> list[int]:
    """Rows to show: one of each of the first classes, then others up to `NUM_ROWS`."""
    order = np.random.default_rng(seed).permutation(len(y_true))
    firsts = [int(order[y_true[order, label] == 1][0]) for label in np.flatnonzero(y_true.any(axis=0))[:NUM_ROWS]]
    return list(dict.fromkeys([*firsts, *order.tolist()]))[:NUM_ROWS]
