"""A second view of each image: its mirror image, left and right exchanged."""

from torch import Tensor, nn


class MirroredMean(nn.Module):
    """Answers with the mean of the logits for an image and for its mirror image.

    Args:
        network: Maps images `(N, C, H, W)` to logits `(N, K)`.

    Source: Krizhevsky et al. 2012, "ImageNet Classification with Deep Convolutional Neural Networks", section 4.1.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        """Logits `(N, K)`."""
        both: Tensor = self.network(images) + self.network(images.flip(3))
        return both / 2
