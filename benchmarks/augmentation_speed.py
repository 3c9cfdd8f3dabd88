"""Images a second of the augmentation on the fly, beside torchvision v2's transforms of the same strengths, which draw for each image.

`python benchmarks/augmentation_speed.py`; with `--operations` each operation at probability 1 instead, in microseconds an image. One
thread, in turn; what is counted is the time of the processor, the least of some rounds, so that others on the machine matter little. Both
sides get images of 256 levels as bytes, and give numbers in 0..1.
"""

import argparse
import math
import time
import warnings
from collections.abc import Callable

import torch
import torchvision.transforms.v2 as transforms
import torchvision.transforms.v2.functional as F
from torch import Tensor
from torchvision.transforms.v2 import InterpolationMode

from components.augment.config import AugmentConfig
from darkroom.augmentation.operations import apply
from darkroom.augmentation.policy import Operation, Policy
from darkroom.augmentation.policy_settings import make_policy
from darkroom.system.cores import share_cores

BILINEAR = InterpolationMode.BILINEAR
STRENGTHS = {
    "horizontal_flip": (0.0, 0.0), "rotation": (-10.0, 10.0), "scale": (0.87, 1.15), "perspective": (0.0, 0.1), "crop": (0.85, 1.0),
    "brightness": (0.8, 1.2), "contrast": (0.8, 1.2), "saturation": (0.8, 1.2), "hue": (-20.0, 20.0), "noise": (0.0, 0.02),
    "erasing": (0.05, 0.15), "grey": (0.0, 0.0), "sharpness": (0.5, 1.5), "posterize": (2.0, 8.0), "solarize": (0.0, 1.0),
    "autocontrast": (0.0, 0.0), "equalize": (0.0, 0.0), "blur": (0.01, 0.01), "jpeg": (30.0, 100.0),
}  # fmt: skip
Work = Callable[[Tensor], object]


def ours(policy: Policy) -> Work:
    """A function that augments a batch of bytes by a policy."""
    generator = torch.Generator().manual_seed(0)
    return lambda batch: apply(policy, batch, generator)


def theirs(*steps: Callable[[Tensor], Tensor]) -> Work:
    """A function that augments each image of a batch of bytes by torchvision's transforms."""
    to_float = transforms.ToDtype(torch.float32, scale=True)
    return lambda batch: torch.stack([to_float(transforms.Compose(list(steps))(image)) for image in batch])


def sometimes(step: Callable[[Tensor], Tensor], chance: float = 0.5) -> Callable[[Tensor], Tensor]:
    """A transform that happens now and then."""
    applied: Callable[[Tensor], Tensor] = transforms.RandomApply([step], p=chance)
    return applied


def whole_policies(side_px: int) -> dict[str, tuple[Work, Work]]:
    """Our default policy and the two published ones, each with mirroring, a crop, noise and erasing, and torchvision's like."""
    frame = (transforms.RandomHorizontalFlip(), sometimes(transforms.RandomResizedCrop(side_px, (0.72, 1.0), (1.0, 1.0), antialias=False)))
    noise = sometimes(transforms.Compose([transforms.ToDtype(torch.float32, scale=True), transforms.GaussianNoise(0.0, 0.01)]), 0.25)
    after = (noise, transforms.RandomErasing(0.25, (0.0, 0.15), (0.5, 2.0)))
    geometry = (
        sometimes(transforms.RandomRotation(10, BILINEAR)),
        sometimes(transforms.RandomAffine(0, (0.1, 0.1), (0.87, 1.15), interpolation=BILINEAR)),
        transforms.RandomPerspective(0.1, 0.5, BILINEAR),
    )
    colours = [sometimes(transforms.ColorJitter(**{name: 0.2})) for name in ("brightness", "contrast", "saturation")]
    return {
        "own": (ours(make_policy(AugmentConfig(), {})), theirs(*frame, *geometry, *colours, *after)),
        "rand_augment": (
            ours(make_policy(AugmentConfig(policy="rand_augment"), {})),
            theirs(*frame, transforms.RandAugment(interpolation=BILINEAR), *after),
        ),
        "trivial_augment": (
            ours(make_policy(AugmentConfig(policy="trivial_augment"), {})),
            theirs(*frame, transforms.TrivialAugmentWide(interpolation=BILINEAR), *after),
        ),
    }


def operations(side_px: int) -> dict[str, tuple[Work, Work]]:
    """Each operation at probability 1, and torchvision's."""
    kernel, half = 2 * math.ceil(4 * 0.01 * side_px) + 1, [0.01 * side_px] * 2
    quarter = [[0, 0], [side_px, 0], [side_px, side_px], [0, side_px]], [[2, 1], [side_px - 3, 2], [side_px - 1, side_px], [1, side_px - 2]]
    their: dict[str, Callable[[Tensor], Tensor]] = {
        "horizontal_flip": F.horizontal_flip,
        "rotation": transforms.RandomRotation(10, BILINEAR),
        "scale": transforms.RandomAffine(0, scale=(0.87, 1.15), interpolation=BILINEAR),
        "perspective": lambda image: F.perspective(image, *quarter, BILINEAR),
        "crop": transforms.RandomResizedCrop(side_px, (0.72, 1.0), (1.0, 1.0), antialias=False),
        "brightness": transforms.ColorJitter(brightness=0.2),
        "contrast": transforms.ColorJitter(contrast=0.2),
        "saturation": transforms.ColorJitter(saturation=0.2),
        "hue": transforms.ColorJitter(hue=20 / 360),
        "noise": lambda image: F.gaussian_noise(F.to_dtype(image, torch.float32, scale=True), 0.0, 0.01),
        "erasing": transforms.RandomErasing(1.0, (0.05, 0.15), (0.5, 2.0)),
        "grey": lambda image: F.rgb_to_grayscale(image, 3),
        "sharpness": lambda image: F.adjust_sharpness(image, 1.3),
        "posterize": lambda image: F.posterize(image, 4),
        "solarize": lambda image: F.solarize(image, 100),
        "autocontrast": F.autocontrast,
        "equalize": F.equalize,
        "blur": lambda image: F.gaussian_blur(image, [kernel, kernel], half),
        "jpeg": lambda image: F.jpeg(image, 60),
    }
    return {
        name: (ours(Policy(operations=(Operation(name=name, probability=1, low=low, high=high),))), theirs(their[name]))
        for name, (low, high) in STRENGTHS.items()
    }


def least_seconds(works: tuple[Work, Work], batch: Tensor, rounds: int) -> list[float]:
    """The least time of the processor that each takes for a batch, measured in turn."""
    found = [math.inf, math.inf]
    for _ in range(rounds + 1):  # the first warms up, and is never the least
        for number, work in enumerate(works):
            start = time.process_time()
            work(batch)
            found[number] = min(found[number], time.process_time() - start)
    return found


def main() -> None:
    """Prints a line for each policy, batch and side, or for each operation and side."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--operations", action="store_true")
    parser.add_argument("--batch", type=int, nargs="+", default=[32, 128])
    parser.add_argument("--side-px", type=int, nargs="+", default=[64, 224])
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    share_cores()  # as the steps run: freed memory is kept
    torch.set_num_threads(1)
    torch.manual_seed(0)
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    for side in options.side_px:
        for num in options.batch[:1] if options.operations else options.batch:
            batch = torch.randint(256, (num, 3, side, side), dtype=torch.uint8)
            for name, works in (operations if options.operations else whole_policies)(side).items():
                mine, other = (seconds / num for seconds in least_seconds(works, batch, options.rounds))
                figures = f"{mine * 1e6:7.0f} us, torchvision {other * 1e6:7.0f} us" if options.operations else (
                    f"{1 / mine:7.0f} images/s, torchvision {1 / other:7.0f}"
                )  # fmt: skip
                print(f"{name:<16} {side:>4} px, {num:>4} images: {figures}, {other / mine:5.2f} times as fast", flush=True)


if __name__ == "__main__":
    main()
