"""`darkroom run` on the sample, the first time and from the cache, in a new project: `python benchmarks/second_run.py`."""

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent


def darkroom(folder: str, *words: str) -> float:
    """Runs a command in a project, and returns its seconds."""
    start = time.perf_counter()
    subprocess.run([sys.executable, "-m", "pipelines", *words], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def main() -> None:
    """Prints the seconds of three runs, and their ratio."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(ROOT / "params.yaml", folder)
        darkroom(folder, "data", "sample", "data")
        first, *again = (darkroom(folder, "run") for _ in range(3))
    print(f"first {first:.1f} s, again {' and '.join(f'{value:.1f} s' for value in again)}, ratio {min(again) / first:.3f}")


if __name__ == "__main__":
    main()
