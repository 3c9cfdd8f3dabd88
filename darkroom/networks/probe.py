"""A linear probe: a frozen backbone, its features scaled to unit length, and one linear layer. A network like any other."""

import torch.nn.functional as F
from torch import Tensor, nn

from darkroom.networks.handcrafted import handcrafted_backbone
from darkroom.networks.same_padding import with_constant_padding


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


def build_probe(backbone: str, num_classes: int, side_px: int) -> Probe:
    """A probe with fresh weights, into which those of a bundle are loaded.

    Args:
        backbone: `handcrafted`, or the name of a network of timm.
        num_classes: K.
        side_px: Side of the images.
    """
    if backbone == "handcrafted":
        made = handcrafted_backbone()
        return Probe(made.network, made.num_features, num_classes)
    import timm  # takes seconds to import

    network: nn.Module = timm.create_model(backbone, pretrained=False, num_classes=0)
    num_features = int(network.num_features)  # type: ignore[arg-type]
    return Probe(with_constant_padding(network.eval(), side_px), num_features, num_classes)
