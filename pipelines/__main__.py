"""`python -m pipelines` is `darkroom`: the command line, in surroundings that do not change what it does."""

import os
import sys
from pathlib import Path

ROOT = str(Path(__file__).resolve().parent.parent)


def main() -> None:
    """Starts the command line with this product's own packages, whatever else bears their names, here and in child processes."""
    sys.path.insert(0, ROOT)
    known = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    os.environ["PYTHONPATH"] = os.pathsep.join([ROOT, *(place for place in known if place not in ("", ROOT))])
    os.environ["PYTHONSAFEPATH"] = "1"  # else what stands in the current folder comes first
    from darkroom.system.streams import open_streams, use_utf8

    use_utf8()
    open_streams()
    from pipelines.cli import main as command_line

    command_line()


if __name__ == "__main__":
    main()
