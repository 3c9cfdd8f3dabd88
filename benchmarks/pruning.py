"""What pruning a trained model costs and brings: the full and the pruned model's measure, the ratio of their latencies, seconds.

`python benchmarks/pruning.py runs/RUN/artifacts/darkroom-training-DATE --set importance=l2 --set target_macs_ratio=0.5`

The folder is that of a finished `darkroom run`, with what its steps handed each other. The default is pruned first, then with the
given settings of `prune`, on the same model and images. Both are judged on the validation images, as `prune` does; test is not touched.
"""

import argparse
import platform
import tempfile
import time
from pathlib import Path
from typing import Any

from components.prune.config import PruneConfig
from components.prune.prune import prune
from darkroom.system.config import parse
from darkroom.system.cores import num_cores, share_cores

INPUTS = {
    "images": "ingest-component",
    "augmented_images": "augment-component",
    "examples": "augment-component",
    "policy": "augment-component",
    "model": "train-component",
}


def measure(run: Path, settings: dict[str, str]) -> dict[str, float]:
    """What `prune` returns for the artifacts of a run, with its seconds of the clock and of the processor."""
    config = parse(PruneConfig, "prune", settings)
    inputs: dict[str, Any] = {name: run / step / name for name, step in INPUTS.items()}
    with tempfile.TemporaryDirectory() as folder:
        clock, processor = time.perf_counter(), time.process_time()
        found = prune(**inputs, pruned_model=Path(folder) / "pruned_model", config=config)
    return found | {"seconds": time.perf_counter() - clock, "processor_seconds": time.process_time() - processor}


def main() -> None:
    """Prints a line for the default, and one for the settings that are given."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE")
    options = parser.parse_args()
    share_cores()
    print(f"{platform.processor() or platform.machine()}, {num_cores()} cores")
    tried: list[list[str]] = [[], options.set] if options.set else [[]]
    for words in tried:
        found = measure(options.run, dict(word.split("=", 1) for word in words))
        values = ", ".join(f"{name} {value:.4g}" for name, value in found.items() if not name.startswith(("size", "parameters")))
        print(f"{' '.join(words) or 'default'}: {values}", flush=True)


if __name__ == "__main__":
    main()
