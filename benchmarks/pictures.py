"""`ingest` beside `tar cf` of the same folder, and the ingest of a folder that has grown by a tenth.

`python benchmarks/pictures.py cifar10 ../shared/data/clothing_small`

In turn, tar first, after a round of both that is not counted, which fills the system's cache and imports what is needed; the ratio is
that of the medians, of seconds and of those of the processor. The grown folder is a copy, of whose files the store knows nine tenths.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from components.ingest.config import IngestConfig
from components.ingest.ingest import ingest
from darkroom.system.cores import num_cores, share_cores

GROWTH = 10  # one file of so many is new


def measured(action: Callable[[], object]) -> tuple[float, float]:
    """Seconds, and seconds of the processor, of this process and those that it starts."""
    start, used = time.perf_counter(), os.times()
    action()
    seconds, now = time.perf_counter() - start, os.times()
    return seconds, sum(now[:4]) - sum(used[:4])


def pack(source: Path, place: Path, name: str, store: Path | None = None) -> tuple[float, float]:
    """Times one ingest."""
    return measured(lambda: ingest(source, place / f"images-{name}", place / f"manifest-{name}", config=IngestConfig(), store=store))


def compare(source: Path, place: Path, rounds: int) -> None:
    """Prints seconds and ratio of `tar cf` and `ingest`."""
    command = ["tar", "cf", str(place / "data.tar"), "-C", str(source), "."]
    subprocess.run(command, check=True)
    pack(source, place, "all")
    pairs = [(measured(lambda: subprocess.run(command, check=True)), pack(source, place, "all")) for _ in range(rounds)]
    for number, what in enumerate(("seconds", "seconds of the processor")):
        tar, ours = ([pair[side][number] for pair in pairs] for side in (0, 1))
        ratio = statistics.median(ours) / statistics.median(tar)
        print(f"{source}, {what}: tar {_listed(tar)}, ingest {_listed(ours)}, {ratio:.2f} times, {num_cores()} cores", flush=True)


def grow(source: Path, place: Path) -> None:
    """Prints the seconds of an ingest of nine tenths of the files, and of a second one of all, with what the first has kept and without."""
    paths = [path.relative_to(source) for path in sorted(source.rglob("*")) if path.is_file()]
    copy = place / "data"
    for part, name in ((paths, "first"), (paths[::GROWTH], "grown")):
        late = set(paths[::GROWTH])
        for path in part:
            if name == "grown" or path not in late:
                (copy / path).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source / path, copy / path)
        time.sleep(1)  # files that have just changed are not kept
        seconds = pack(copy, place, name, place / "store")
        print(f"{source}, {name}: {seconds[0]:.2f} s, {seconds[1]:.2f} s of the processor", flush=True)
    seconds = pack(copy, place, "anew")
    print(f"{source}, grown, without what was kept: {seconds[0]:.2f} s, {seconds[1]:.2f} s of the processor", flush=True)
    same = [(place / f"manifest-{name}").read_bytes() for name in ("grown", "anew")]
    print("the manifests are the same" if same[0] == same[1] else "THE MANIFESTS DIFFER")


def _listed(seconds: list[float]) -> str:
    return ", ".join(f"{value:.2f}" for value in seconds)


def main() -> None:
    """Prints the figures."""
    share_cores()  # as every step
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sources", type=Path, nargs="+", help="folders as ingest takes them")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    for source in options.sources:
        with tempfile.TemporaryDirectory() as folder:
            compare(source, Path(folder), options.rounds)
        with tempfile.TemporaryDirectory() as folder:
            grow(source, Path(folder))


if __name__ == "__main__":
    main()
