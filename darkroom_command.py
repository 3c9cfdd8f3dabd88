"""What the command `darkroom` starts.

It stands apart from the packages and has a name of its own: `pipelines` and `components` are usual names in Kubeflow
repositories, and Python would take those that stand on `PYTHONPATH` for this product's.
"""

import sys
from pathlib import Path


def main() -> None:
    """Starts the command line that stands beside this file."""
    sys.path.insert(0, str(Path(__file__).resolve().parent))
    from pipelines.__main__ import main as start

    start()
