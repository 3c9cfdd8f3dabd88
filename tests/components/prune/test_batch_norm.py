"""Statistics become those of the images, weights stay, and a network that lost channels answers sensibly again."""

import torch
from torch import nn

from components.prune.batch_norm import recalibrate
from darkroom.training.examples import Examples


def test_statistics_are_those_of_the_images_and_weights_stay() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.Dropout(0.5)).eval()
    weights = [value.clone() for value in network.parameters()]
    examples = Examples(torch.randint(0, 256, (40, 6, 6, 3), dtype=torch.uint8), torch.zeros(40, dtype=torch.int64))
    recalibrate(network, examples, lambda images: images)
    outputs = network[0](examples.pixels.permute(0, 3, 1, 2) / 255)
    torch.testing.assert_close(network[1].running_mean, outputs.mean((0, 2, 3)))
    torch.testing.assert_close(network[1].running_var, outputs.var((0, 2, 3)))
    assert all(torch.equal(old, new) for old, new in zip(weights, network.parameters(), strict=True))
    assert network[1].momentum == 0.1
    assert not any(module.training for module in network.modules())


def test_networks_without_batch_normalisation_are_left_alone() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 1)).eval()
    examples = Examples(torch.zeros((1, 6, 6, 3), dtype=torch.uint8), torch.zeros(1, dtype=torch.int64))
    before = network[0].weight.clone()
    recalibrate(network, examples, lambda images: images)
    assert torch.equal(network[0].weight, before)


def test_images_in_the_order_of_their_classes_give_the_statistics_of_mixed_batches() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4)).eval()
    pixels = torch.cat([torch.full((64, 2, 2, 3), level, dtype=torch.uint8) for level in (0, 80, 160, 240)])
    pixels += torch.randint(0, 15, pixels.shape, dtype=torch.uint8)
    recalibrate(network, Examples(pixels, torch.arange(256) // 64), lambda images: images)
    outputs = network(pixels.permute(0, 3, 1, 2) / 255)
    torch.testing.assert_close(outputs.var((0, 2, 3)), torch.ones(4), atol=0.05, rtol=0)
