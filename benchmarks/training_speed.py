"""Training steps a second: `small_cnn` against lite0 and torchvision's ResNet-18, and what the augmentation on the fly costs.

`python benchmarks/training_speed.py --side-px 64`; with `--keep-memory` as the steps run, where freed memory is not handed back to the
system after each batch (`darkroom.system.cores.share_cores`).
"""

import argparse
import statistics
import time
from collections.abc import Callable

import torch

from components.augment.augment import make_policy
from components.augment.config import AugmentConfig
from darkroom.augmentation.operations import apply
from darkroom.augmentation.policy import Policy
from darkroom.networks.network import build
from darkroom.system.cores import share_cores

BATCH = 32


def stepper(architecture: str, side_px: int, policy: Policy) -> Callable[[], None]:
    """A function that takes one training step on a batch of noise."""
    generator = torch.Generator().manual_seed(0)
    network = build(architecture, 10, side_px=side_px).to(memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3)
    images, targets = torch.rand(BATCH, 3, side_px, side_px, generator=generator), torch.randint(10, (BATCH,), generator=generator)

    def step() -> None:
        loss = torch.nn.functional.cross_entropy(
            network(apply(policy, images, generator).contiguous(memory_format=torch.channels_last)), targets
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step


def main() -> None:
    """Prints the median time of each, and the ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side-px", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--keep-memory", action="store_true")
    options = parser.parse_args()
    if options.keep_memory:
        share_cores()
    policy = make_policy(AugmentConfig(), {})
    steps = {
        "small_cnn": stepper("small_cnn", options.side_px, policy),
        "small_cnn, no augmentation": stepper("small_cnn", options.side_px, Policy()),
        "lite0": stepper("lite0", options.side_px, policy),
        "resnet18": stepper("resnet18", options.side_px, policy),
    }
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for number in range(options.rounds + 3):
        for name, step in steps.items():
            start = time.perf_counter()
            step()
            if number >= 3:  # the first ones warm up
                seconds[name].append(time.perf_counter() - start)
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    for name, median in medians.items():
        print(f"{name:<28} {BATCH / median:7.0f} images/s at {options.side_px} px, {median / medians['small_cnn']:.2f} of small_cnn's time")


if __name__ == "__main__":
    main()
