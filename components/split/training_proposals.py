"""Applies what earlier steps propose for images, to training images alone: a machine's verdict never touches what is measured on."""

from dataclasses import dataclass, replace

import numpy as np

from darkroom import proposals
from darkroom.manifest import Manifest
from darkroom.units import Integers


@dataclass(frozen=True)
class Applied:
    """A manifest with the proposals that were applied.

    Attributes:
        manifest: With the labels as proposed.
        codes: `(N,) int64`: the split of each image, with those that are left out.
        num_relabelled: Training images with other labels.
        num_left_out: Training images that are excluded.
        num_unapplied: Proposals for images of test and validation.
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


def apply_proposals(current: Manifest, codes: Integers, train: int, excluded: int) -> Applied:
    """Relabels and leaves out training images as their manifest proposes.

    Args:
        current: The images.
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
        int(((drop | relabel) & ~training & (codes != excluded)).sum()),
    )
