"""A linear probe: a frozen backbone, its features scaled to unit length, and one linear layer. A network like any other."""

import torch.nn.functional as F
from torch import Tensor, nn


class Probe(nn.Module):
    """From normalised images `(N, 3, S, S)` to logits `(N, K)`.

    Args:
        backbone: Maps images to features `(N, D)`; its weights stay as they are.
        num_features: D.
        num_classes: K.
    """

    def __init__(self, backbone: nn.Module, num_features: int, num_classes: int) -> None:
        super().__init__()
        self.backbone = backbone.requires_grad_(False)
        self.head = nn.Linear(num_features, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """The logits."""
        out: Tensor = self.head(F.normalize(self.backbone(x).to(x.dtype), dim=1))
        return out
