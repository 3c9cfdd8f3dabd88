"""`darkroom run` on the sample, the first time and from the cache: `python benchmarks/second_run.py`."""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent


def main() -> None:
    """Prints the seconds of three runs in one new folder, and their ratio."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-m", "pipelines", "data", "sample", "data"], cwd=folder, check=True, capture_output=True)
        seconds = []
        for _ in range(3):
            start = time.perf_counter()
            command = [sys.executable, "-m", "pipelines", "run", "--params", str(ROOT / "params.yaml")]
            subprocess.run(command, cwd=folder, check=True, capture_output=True)
            seconds.append(time.perf_counter() - start)
    first, *again = seconds
    print(f"first {first:.1f} s, again {' and '.join(f'{value:.1f} s' for value in again)}, ratio {min(again) / first:.3f}")


if __name__ == "__main__":
    main()
