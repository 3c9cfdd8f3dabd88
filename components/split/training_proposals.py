"""Applies what earlier steps propose for images, to training images alone: a machine's verdict never touches what is measured on."""

from dataclasses import dataclass, replace

import numpy as np

from darkroom import proposals
from darkroom.manifest import Manifest
from darkroom.system.errors import InputError
from darkroom.units import Integers


@dataclass(frozen=True)
class Applied:
    """A manifest with the proposals that were applied.

    Attributes:
        manifest: With the labels as proposed.
        codes: `(N,) int64`: the split of each image, with those that are left out.
        num_relabelled: Training images with other labels.
        num_left_out: Training images that are excluded.
        num_unapplied: Proposals for images of test and validation, and of a frozen evaluation set.
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
            f"{self.num_unapplied:,} proposals for images of test and validation are not applied"
        ]

    def require_training(self, before: Manifest, codes: Integers, train: int) -> None:
        """Refuses proposals by which nothing is left to train on: all training images of a class, or all of several labels an image.

        Args:
            before: The images as they were.
            codes: `(N,)`: their splits then.
            train: The code of the training images.

        Raises:
            InputError: They take that much.
        """
        learnt, left = codes == train, self.codes == train
        if before.task == "multilabel":
            lost = {} if left.any() or not learnt.any() else {"": int(learnt.sum())}
        else:
            own = np.bincount(before.targets()[learnt], minlength=len(before.classes))
            now = np.bincount(self.manifest.targets()[left], minlength=len(before.classes))
            lost = {before.classes[number]: int(own[number]) for number in np.flatnonzero((own > 0) & (now == 0)).tolist()}
        for name, number in lost.items():
            which = f"training images of class {name!r}" if name else "training images"
            raise InputError(
                f"clean proposes to leave out or relabel all {number:,} {which}, and none would be left to train on: set what proposes "
                f"it to flag ({_PROPOSING})"
            )


_PROPOSING = "clean.mislabelled, clean.min_side_px to 1, clean.near_duplicates, or a check of odd images such as clean.dark"


def apply_proposals(current: Manifest, evaluation: Manifest | None, codes: Integers, train: int, excluded: int) -> Applied:
    """Relabels and leaves out training images as their manifest proposes.

    Args:
        current: The images.
        evaluation: Those of a frozen evaluation set, or none: proposals for these are only counted.
        codes: `(N,) int64`: the split of each.
        train: The code of the training images.
        excluded: The code of images that are in no split.
    """
    drop, relabel = (proposals.proposed(current.table, action) for action in (proposals.DROP, proposals.RELABEL))
    training = codes == train
    changed = replace(current, table=proposals.relabelled(current.table, relabel & training))
    return Applied(
        changed,
        np.where(drop & training, excluded, codes),
        int((relabel & training).sum()),
        int((drop & training).sum()),
        int(((drop | relabel) & ~training & (codes != excluded)).sum()) + (_num_proposals(evaluation) if evaluation else 0),
    )


def _num_proposals(images: Manifest) -> int:
    return int((proposals.proposed(images.table, proposals.DROP) | proposals.proposed(images.table, proposals.RELABEL)).sum())
