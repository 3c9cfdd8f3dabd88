"""A small network for small things anywhere in images that are unlike photographs: blood cells, scratches, pores.

Fine-tuned whole, a large network learns few such images by heart. Its first stages know edges, colours and textures of any image; one
convolution behind them, and the mean and the maximum of what that finds, see whether something is there, wherever it is.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from darkroom.networks.same_padding import with_constant_padding

ORIGIN = "tf_efficientnet_lite0"  # whose first stages, and their weights, are taken
NUM_STAGES = 3  # the grid of their features has an eighth of the image's side
WIDTH = 32
FRESH = "local."  # before the names of what is never taken from other weights
FROZEN_SHARE = 0.99  # of the layers before the last: all but the convolution


class LocalNetwork(nn.Module):
    """The first stages of EfficientNet-Lite0, one convolution, mean and maximum over the image, and a linear layer.

    Args:
        num_classes: How many logits there are.
        side_px: Side of the images.
        dropout: Share of the features that is dropped before the last layer, 0 to 1.
    """

    def __init__(self, num_classes: int, side_px: int, dropout: float = 0.0) -> None:
        super().__init__()
        import timm  # takes seconds to import, and the small network does without

        whole: Any = with_constant_padding(timm.create_model(ORIGIN, pretrained=False).eval(), side_px).train()
        self.conv_stem, self.bn1 = whole.conv_stem, whole.bn1  # under the names of the weights
        self.blocks: nn.Sequential = whole.blocks[:NUM_STAGES]
        num_in = next(layer.out_channels for layer in reversed([*self.blocks.modules()]) if isinstance(layer, nn.Conv2d))
        self.local = nn.Sequential(nn.Conv2d(num_in, WIDTH, 3, padding=1, bias=False), nn.BatchNorm2d(WIDTH), nn.ReLU())
        self.head = nn.Sequential(nn.Dropout(dropout), nn.Linear(2 * WIDTH, num_classes))

    def forward(self, x: Tensor) -> Tensor:
        """Maps normalised images `(N, 3, S, S)` to logits `(N, num_classes)`."""
        found = self.local(self.blocks(self.bn1(self.conv_stem(x)))).flatten(2)
        logits: Tensor = self.head(torch.cat([found.mean(2), found.amax(2)], dim=1))
        return logits


def first_stages(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Of the weights of EfficientNet-Lite0, those that a `LocalNetwork` takes."""
    taken = ("conv_stem.", "bn1.", *(f"blocks.{number}." for number in range(NUM_STAGES)))
    return {name: value for name, value in state.items() if name.startswith(taken)}
