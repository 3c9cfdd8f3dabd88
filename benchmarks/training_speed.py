"""Training steps a second: `small_cnn` against lite0 and torchvision's ResNet-18, and what the augmentation on the fly costs.

`python benchmarks/training_speed.py --side-px 64`; with `--keep-memory` as the steps run, where freed memory is not handed back to the
system after each batch (`darkroom.system.cores.share_cores`); with `--bf16` in bfloat16 as well, as where the processor has it. Times are
the process's own on one thread, whatever else the machine does.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import torch

from components.augment.config import AugmentConfig
from darkroom.augmentation.operations import apply
from darkroom.augmentation.policy import Policy
from darkroom.augmentation.policy_settings import make_policy
from darkroom.networks.network import build
from darkroom.system.cores import share_cores
from darkroom.training.grouped_convolutions import in_float32

BATCH = 32


def stepper(architecture: str, side_px: int, policy: Policy, *, in_half: bool = False) -> Callable[[], None]:
    """A function that takes one training step on a batch of noise."""
    generator = torch.Generator().manual_seed(0)
    network = build(architecture, 10, side_px=side_px).to(memory_format=torch.channels_last).train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3)
    images, targets = torch.rand(BATCH, 3, side_px, side_px, generator=generator), torch.randint(10, (BATCH,), generator=generator)

    def step() -> None:
        with in_float32(network, torch.device("cpu"), torch.bfloat16 if in_half else None):
            with torch.autocast("cpu", torch.bfloat16, enabled=in_half):
                logits = network(apply(policy, images, generator).contiguous(memory_format=torch.channels_last))
            loss = torch.nn.functional.cross_entropy(logits.float(), targets)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    return step


def main() -> None:
    """Prints the median time of each, and the ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side-px", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--keep-memory", action="store_true")
    parser.add_argument("--bf16", action="store_true")
    options = parser.parse_args()
    if options.keep_memory:
        share_cores()
    torch.set_num_threads(1)
    policy = make_policy(AugmentConfig(), {})
    steps = {
        "small_cnn": stepper("small_cnn", options.side_px, policy),
        "small_cnn, no augmentation": stepper("small_cnn", options.side_px, Policy()),
        "lite0": stepper("lite0", options.side_px, policy),
        "resnet18": stepper("resnet18", options.side_px, policy),
    }
    if options.bf16:
        steps |= {f"{name}, bf16": stepper(name, options.side_px, policy, in_half=True) for name in ("small_cnn", "lite0", "resnet18")}
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for number in range(options.rounds + 3):
        for name, step in steps.items():
            start = time.process_time()
            step()
            if number >= 3:  # the first ones warm up
                seconds[name].append(time.process_time() - start)
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    for name, median in medians.items():
        print(f"{name:<28} {BATCH / median:7.0f} images/s at {options.side_px} px, {median / medians['small_cnn']:.2f} of small_cnn's time")


if __name__ == "__main__":
    main()
