"""A batch whose random numbers are drawn: any of its images can be prepared, alone or with others, and come out the same."""

import dataclasses
from typing import NamedTuple

import torch
from torch import Tensor

from darkroom.augmentation.draws import draw
from darkroom.augmentation.policy import Policy
from darkroom.training.batches import Mixing, Mixture, Normalise, draw_mixture
from darkroom.training.examples import Inputs


class Prepared(NamedTuple):
    """Images as the network takes them.

    Attributes:
        images: `(n, 3, S, S) float32`, augmented, mixed and normalised; or their features, see `darkroom.training.kept_views`.
        rows: Their numbers in the batch, `(n,) int64`.
        partners: Those of the images that they are mixed with.
    """

    images: Tensor
    rows: Tensor
    partners: Tensor


@dataclasses.dataclass(frozen=True)
class DrawnBatch:
    """A batch before its images are looked up.

    Attributes:
        examples: Where the images are.
        rows: Which of them, `(N,) int64` on the CPU.
        side_px: To which they are resized.
        policy: What may happen to an image.
        draws: What does, see `darkroom.augmentation.draws`.
        mixture: How they are mixed.
        normalise: Maps images in 0..1 to the network's inputs.
        device: Where the network is.
    """

    examples: Inputs
    rows: Tensor
    side_px: int
    policy: Policy
    draws: Tensor
    mixture: Mixture
    normalise: Normalise
    device: torch.device

    def prepare(self, part: slice) -> Prepared:
        """Prepares the images of a part of the batch."""
        own = torch.arange(len(self.rows))[part]
        if self.mixture.partners is None:
            return Prepared(self._augmented(own), own, own)
        partners = self.mixture.partners[own]
        needed = torch.unique(torch.cat([own, partners]))
        images = self._augmented(needed)
        chosen, others = (images[torch.searchsorted(needed, rows).to(self.device)] for rows in (own, partners))
        return Prepared(self.mixture.of(chosen, others), own, partners)

    def _augmented(self, numbers: Tensor) -> Tensor:
        rows, draws = self.rows[numbers], self.draws[numbers]
        return self.examples.augmented(rows, draws, self.side_px, self.policy, self.normalise, self.device)


def draw_batch(
    examples: Inputs,
    rows: Tensor,
    side_px: int,
    policy: Policy,
    settings: Mixing,
    normalise: Normalise,
    device: torch.device,
    generator: torch.Generator,
) -> DrawnBatch:
    """Draws the random numbers of a whole batch, whichever of its images are then prepared here."""
    draws = draw(policy, len(rows), generator)
    return DrawnBatch(examples, rows, side_px, policy, draws, draw_mixture(len(rows), side_px, settings, generator), normalise, device)
