"""Applies what earlier steps propose for images, to training images alone: a machine's verdict never touches what is measured on."""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from darkroom import proposals
from darkroom.manifest import Manifest
from darkroom.system.errors import InputError
from darkroom.units import Integers

Flags = npt.NDArray[np.bool_]

FEW = 5  # training images of a class: with fewer, a machine's verdicts on all of them don't decide about the class
_PROPOSING = "set clean.mislabelled, clean.near_duplicates or the check (such as clean.dark) to flag, or clean.min_side_px to 1"


@dataclass(frozen=True)
class Applied:
    """A manifest with the proposals that were applied.

    Attributes:
        manifest: With the labels as proposed.
        codes: `(N,) int64`: the split of each image, with those that are left out.
        num_relabelled: Training images with other labels.
        num_left_out: Training images that are excluded.
        num_unapplied: Other proposals: for images of test and validation, of a frozen evaluation set, and of a class that would lose
            its few training images.
    """

    manifest: Manifest
    codes: Integers
    num_relabelled: int
    num_left_out: int
    num_unapplied: int

    def measures(self) -> dict[str, float]:
        """The three numbers."""
        return {
            "num_relabelled": float(self.num_relabelled),
            "num_left_out": float(self.num_left_out),
            "num_unapplied_proposals": float(self.num_unapplied),
        }

    def notes(self) -> list[str]:
        """A sentence, if there was a proposal."""
        if not self.num_relabelled + self.num_left_out + self.num_unapplied:
            return []
        return [
            f"as clean proposes, {self.num_relabelled:,} training images are relabelled and {self.num_left_out:,} left out; "
            f"{self.num_unapplied:,} other proposals are not applied, as they are for images of test, validation or the evaluation set, or "
            "for all of the few training images of a class"
        ]


def apply_proposals(current: Manifest, evaluation: Manifest | None, codes: Integers, train: int, excluded: int) -> Applied:
    """Relabels and leaves out training images as their manifest proposes.

    Args:
        current: The images.
        evaluation: Those of a frozen evaluation set, or none: proposals for these are only counted.
        codes: `(N,) int64`: the split of each.
        train: The code of the training images.
        excluded: The code of images that are in no split.

    Raises:
        InputError: Nothing would be left to train on, of a class or of several labels an image.
    """
    drop, relabel = (proposals.proposed(current.table, action) for action in (proposals.DROP, proposals.RELABEL))
    training = codes == train
    taken = training & ~_of_few(current, training, drop | relabel)
    changed = replace(current, table=proposals.relabelled(current.table, relabel & taken))
    _require_training(current, changed, training, training & ~(drop & taken))
    return Applied(
        changed,
        np.where(drop & taken, excluded, codes),
        int((relabel & taken).sum()),
        int((drop & taken).sum()),
        int(((drop | relabel) & ~taken & (codes != excluded)).sum()) + (_num_proposals(evaluation) if evaluation else 0),
    )


def _of_few(current: Manifest, training: Flags, proposed: Flags) -> Flags:
    """The training images of classes that have few, where something is proposed for all of them, `(N,) bool`."""
    if current.task == "multilabel":
        return np.zeros(len(training), bool)
    targets, number = current.targets(), len(current.classes)
    own, lost = (np.bincount(targets[rows], minlength=number) for rows in (training, training & proposed))
    found: Flags = training & ((own == lost) & (own < FEW))[targets]
    return found


def _require_training(before: Manifest, after: Manifest, learnt: Flags, left: Flags) -> None:
    if before.task == "multilabel":
        lost = {} if left.any() or not learnt.any() else {"": int(learnt.sum())}
    else:
        number = len(before.classes)
        own, now = np.bincount(before.targets()[learnt], minlength=number), np.bincount(after.targets()[left], minlength=number)
        lost = {before.classes[number]: int(own[number]) for number in np.flatnonzero((own > 0) & (now == 0)).tolist()}
    for name, number in lost.items():
        which = f"training images of class {name!r}" if name else "training images"
        raise InputError(f"clean proposes to leave out or relabel all {number:,} {which}, so that none would be left: {_PROPOSING}")


def _num_proposals(images: Manifest) -> int:
    return int((proposals.proposed(images.table, proposals.DROP) | proposals.proposed(images.table, proposals.RELABEL)).sum())
