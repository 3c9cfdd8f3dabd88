"""One training alone against two at once: `python benchmarks/side_by_side.py --rounds 3`.

Two cores of an AMD EPYC, 3 epochs of the sample, start of the process included, median of 2 rounds, all ways in one run:

    GOMP_SPINCOUNT      alone    two at once    ratio
    3000 (ours)        13.0 s         21.9 s     1.68
    6000               14.0 s         29.6 s     2.13
    300000 (default)   15.0 s         54.9 s     3.66

In another run: 1000 took 20.5 s alone, threads that sleep at once 21.1 s, the default 15.7 s. Over 5 epochs two at once
took 9 times as long with libgomp's default. At most 2.5 times as long is the aim.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from components.__main__ import main as step
from darkroom.system.cores import num_cores
from pipelines.version.sample import write_sample

ROOT = Path(__file__).parent.parent
WAYS = {
    "threads spin shortly, as the product's do": {},
    "threads sleep at once": {"OMP_WAIT_POLICY": "passive"},
    "threads spin for libgomp's default": {"GOMP_SPINCOUNT": "300000"},
}
OPENMP = ("OMP_", "GOMP_")  # what this process was told about threads is not handed on


def prepare(folder: Path) -> list[str]:
    """Carries the sample through the steps before `train`, and gives the options of `train` that name what they left."""
    write_sample(folder / "data")
    place = {name: str(folder / name) for name in ("data", "images", "manifest", "cleaned", "issues", "splits")}
    made = {name: str(folder / name) for name in ("augmented-images", "examples", "policy")}
    run_step("ingest", data=place["data"], images=place["images"], manifest=place["manifest"])
    run_step("clean", images=place["images"], manifest=place["manifest"], cleaned=place["cleaned"], issues=place["issues"])
    run_step("split", cleaned=place["cleaned"], splits=place["splits"])
    run_step("augment", images=place["images"], splits=place["splits"], **made, **{"contact-sheet": str(folder / "sheet.png")})
    return options_of(images=place["images"], **made)


def run_step(name: str, **arguments: str) -> None:
    """Runs a step in this process.

    Raises:
        RuntimeError: It failed.
    """
    if status := step([name, "--params", str(ROOT / "params.yaml"), *options_of(**arguments)]):
        raise RuntimeError(f"{name} ended with status {status}")


def options_of(**arguments: str) -> list[str]:
    """Arguments as words of a command line."""
    return [word for name, value in arguments.items() for word in (f"--{name}", value)]


def seconds(inputs: list[str], number: int, epochs: int, extra: dict[str, str]) -> float:
    """How long so many trainings at once take until the last one ends.

    Args:
        inputs: Options of `train`.
        number: How many.
        epochs: Of each.
        extra: Environment variables.
    """
    environment = {name: value for name, value in os.environ.items() if not name.startswith(OPENMP)} | extra
    environment["DARKROOM_CHECKPOINTS"] = ""  # a second training would go on where the first one is
    command = [
        sys.executable,
        "-m",
        "components",
        "train",
        "--params",
        str(ROOT / "params.yaml"),
        "--set",
        f"train.epochs={epochs}",
        *inputs,
    ]
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        started = [
            subprocess.Popen(
                [
                    *command,
                    *options_of(
                        model=f"{folder}/model{one}", history=f"{folder}/{one}.csv", **{"learning-curves": f"{folder}/curves{one}"}
                    ),
                ],
                env=environment,
                cwd=ROOT,
                stdout=subprocess.DEVNULL,
            )
            for one in range(number)
        ]
        if any(process.wait() for process in started):
            raise RuntimeError("a training failed")
        return time.perf_counter() - start


def main() -> None:
    """Prints the median seconds of each way, and the ratio of two at once to one alone, round by round."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=3)
    options = parser.parse_args()
    times: dict[tuple[str, int], list[float]] = {(way, number): [] for way in WAYS for number in (1, 2)}
    with tempfile.TemporaryDirectory() as folder:
        inputs = prepare(Path(folder))
        for _ in range(options.rounds):
            for (way, number), kept in times.items():
                kept.append(seconds(inputs, number, options.epochs, WAYS[way]))
    for way in WAYS:
        alone, both = times[way, 1], times[way, 2]
        ratios = sorted(two / one for one, two in zip(alone, both, strict=True))
        figures = f"alone {statistics.median(alone):6.1f} s, two at once {statistics.median(both):6.1f} s"
        print(f"{way:<32} {figures}, ratio {statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f}), {num_cores()} cores")


if __name__ == "__main__":
    main()
