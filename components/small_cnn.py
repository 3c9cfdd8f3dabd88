"""A small residual network for small images and few of them."""

from torch import Tensor, nn


class Block(nn.Module):
    """Two 3x3 convolutions beside a shortcut; the first may halve the sides.

    Source: He et al. 2016, "Deep Residual Learning for Image Recognition".
    """

    def __init__(self, num_in: int, num_out: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(num_in, num_out, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(num_out)
        self.conv2 = nn.Conv2d(num_out, num_out, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(num_out)
        self.act = nn.ReLU()
        self.shortcut = nn.Sequential()
        if stride != 1 or num_in != num_out:
            pool = nn.AvgPool2d(stride) if stride > 1 else nn.Identity()
            self.shortcut = nn.Sequential(pool, nn.Conv2d(num_in, num_out, 1, bias=False), nn.BatchNorm2d(num_out))

    def forward(self, x: Tensor) -> Tensor:
        """Maps `(N, num_in, H, W)` to `(N, num_out, H / stride, W / stride)`."""
        y = self.act(self.norm1(self.conv1(x)))
        out: Tensor = self.act(self.norm2(self.conv2(y)) + self.shortcut(x))
        return out


class SmallCNN(nn.Module):
    """A strided stem, four residual stages, the mean over the picture, and one linear layer.

    Args:
        num_classes: How many logits there are.
        side_px: Side of the images; below 48 the stem keeps more of it.
        dropout: Share of the features that is dropped before the last layer, 0 to 1.
        widths: Channels of the four stages.
    """

    def __init__(self, num_classes: int, side_px: int, dropout: float = 0.0, widths: tuple[int, ...] = (32, 64, 128, 256)) -> None:
        super().__init__()
        stride = 1 if side_px <= 20 else 2 if side_px <= 40 else 4
        kernel = max(3, 2 * stride - 1)
        convolution = nn.Conv2d(3, widths[0], kernel, stride, kernel // 2, bias=False)
        self.stem = nn.Sequential(convolution, nn.BatchNorm2d(widths[0]), nn.ReLU())
        steps = zip((widths[0], *widths), widths, strict=False)
        self.stages = nn.Sequential(*(Block(before, width, 1 + (number > 0)) for number, (before, width) in enumerate(steps)))
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.head = nn.Sequential(nn.Dropout(dropout), nn.Linear(widths[-1], num_classes))

    def forward(self, x: Tensor) -> Tensor:
        """Maps normalised images `(N, 3, S, S)` to logits `(N, num_classes)`."""
        out: Tensor = self.head(self.flatten(self.pool(self.stages(self.stem(x)))))
        return out
