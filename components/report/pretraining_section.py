"""What the report shows of a training without labels: its method, what it learnt from, and its loss by epoch."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from components.report.pictures import figures
from darkroom.pretrained_weights import PretrainedWeights, read_pretrained

METHODS = {"simclr": "SimCLR", "vicreg": "VICReg"}


def pretraining_section(pretrained: Path | None, source: str) -> dict[str, Any] | None:
    """A training without labels as the template reads it; nothing where none was.

    Args:
        pretrained: Its weights, see `darkroom.pretrained_weights`; or none.
        source: `pretrain.data`; empty where it learnt from the training split's own images.
    """
    found = read_pretrained(pretrained) if pretrained else PretrainedWeights()
    if not found.architecture:
        return None
    pictures = _curve(found.losses) if found.losses else []
    return {**vars(found), "method": METHODS.get(found.method, found.method), "source": source, "figures": pictures}


def _curve(losses: Sequence[float]) -> list[dict[str, Any]]:
    """The loss by epoch; a single epoch is a dot."""
    from matplotlib.ticker import MaxNLocator  # a report without such a training needs no matplotlib

    from darkroom.drawing import BLUE, drawing

    with tempfile.TemporaryDirectory() as folder:
        with drawing(Path(folder) / "loss_without_labels.png", 5.2, 3.2) as (axes,):
            axes.plot(range(1, len(losses) + 1), losses, ".-", color=BLUE, linewidth=1.6, markersize=5)
            axes.set(title="Loss without labels", xlabel="epoch")
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
            axes.grid(axis="y")
        return figures(Path(folder))
