"""A small residual network for small images and few of them."""

from collections.abc import Iterable

from torch import Tensor, nn


class Block(nn.Module):
    """Two 3x3 convolutions beside a shortcut; the first may halve the sides (a stride of 2).

    Source: He et al. 2016, "Deep Residual Learning for Image Recognition"; the shortcut averages before it halves, as in
    He et al. 2019, "Bag of Tricks for Image Classification".
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
            pool = nn.AvgPool2d(2, ceil_mode=True, count_include_pad=False) if stride == 2 else nn.Identity()
            self.shortcut = nn.Sequential(pool, nn.Conv2d(num_in, num_out, 1, bias=False), nn.BatchNorm2d(num_out))

    def forward(self, x: Tensor) -> Tensor:
        """Maps `(N, num_in, H, W)` to `(N, num_out, H / stride, W / stride)`."""
        y = self.act(self.norm1(self.conv1(x)))
        out: Tensor = self.act(self.norm2(self.conv2(y)) + self.shortcut(x))
        return out


def _stem(side_px: int, width: int) -> nn.Sequential:
    """From pictures to features on a grid of half their side, or a quarter where they are larger than 40 pixels."""
    kernel = 5 if side_px > 40 else 3
    layers: list[nn.Module] = [nn.Conv2d(3, width, kernel, 2, kernel // 2, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
    return nn.Sequential(*layers, nn.MaxPool2d(3, 2, 1)) if side_px > 40 else nn.Sequential(*layers)


def _stages(widths: tuple[int, ...]) -> nn.Sequential:
    """A block each, of which all but the first one halve the sides."""
    steps = zip((widths[0], *widths), widths, strict=False)
    return nn.Sequential(*(Block(before, width, 1 + (number > 0)) for number, (before, width) in enumerate(steps)))


class SmallCNN(nn.Module):
    """A strided stem, up to four residual stages, the mean over the picture, and one linear layer.

    Of pictures up to 16 pixels a fourth stage would see a single point, nearly all of each kernel beside it: they have three.

    Args:
        num_classes: How many logits there are.
        side_px: Side of the images; decides on the stem.
        dropout: Share of the features that is dropped before the last layer, 0 to 1.
        widths: Channels of the stages.
    """

    def __init__(self, num_classes: int, side_px: int, dropout: float = 0.0, widths: tuple[int, ...] = (32, 64, 128, 256)) -> None:
        super().__init__()
        self.stem = _stem(side_px, widths[0])
        self._widths, self._num_classes = widths, num_classes
        widths = widths[: len(widths) - (side_px <= 16)]
        self.stages = _stages(widths)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.head = nn.Sequential(nn.Dropout(dropout), nn.Linear(widths[-1], num_classes))

    def forward(self, x: Tensor) -> Tensor:
        """Maps normalised images `(N, 3, S, S)` to logits `(N, num_classes)`."""
        out: Tensor = self.head(self.flatten(self.pool(self.stages(self.stem(x)))))
        return out

    def take_stages(self, names: Iterable[str]) -> None:
        """Has as many stages, of fresh weights, as a state dict of these names: an earlier version's network has four for any picture."""
        number = 1 + max((int(name.split(".")[1]) for name in names if name.startswith("stages.")), default=-1)
        if 0 < number <= len(self._widths) and number != len(self.stages):
            widths = self._widths[:number]
            self.stages = _stages(widths)
            self.head[1] = nn.Linear(widths[-1], self._num_classes)
