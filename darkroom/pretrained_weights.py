"""The pretrained weights: a folder with what a network has learnt without labels, from which `train` starts.

`pretrained.json` (what has learnt, and of what) and `weights.safetensors`, the network's state dict without its last layer. Where
nothing was pretrained, the former names no network, and there is no other file.
"""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from darkroom.model import WEIGHTS
from darkroom.notes import KEY as NOTES
from darkroom.notes import Note, from_plain, plain
from darkroom.system.files import read_json, whole, write_json
from darkroom.system.formats import Format, record_from

if TYPE_CHECKING:
    from torch import Tensor

CARD = "pretrained.json"
_FORMAT = Format("folder of pretrained weights")


@dataclasses.dataclass(frozen=True)
class PretrainedWeights:
    """What was learnt without labels.

    Attributes:
        architecture: As a model's card has it; empty where nothing was pretrained.
        side_px: Side of the images.
        mean: Of each channel that they were normalised with, 0 to 1.
        std: Standard deviation of each channel, 0 to 1.
        method: `simclr` or `vicreg`.
        epochs: How often each image was seen, in two views.
        num_images: How many there were.
        losses: Of each epoch; none where an earlier release wrote the folder.
        notes: What was decided and left out.
    """

    architecture: str = ""
    side_px: int = 0
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    method: str = ""
    epochs: int = 0
    num_images: int = 0
    losses: tuple[float, ...] = ()
    notes: tuple[Note, ...] = ()

    def __str__(self) -> str:
        return f"{self.architecture} at {self.side_px} px, {self.method} on {self.num_images:,} images, {self.epochs} epochs"

    def write(self, folder: Path, state: Mapping[str, "Tensor"] | None = None) -> None:
        """Writes the folder; equal weights make equal bytes.

        Args:
            folder: Where.
            state: The network's state dict without its last layer, on the CPU; none where nothing was pretrained.
        """
        with whole(folder) as draft:
            draft.mkdir()
            write_json(draft / CARD, _FORMAT.stamp({**dataclasses.asdict(self), NOTES: plain(self.notes)}))
            if state is not None:
                from safetensors.torch import save_file  # torch takes seconds, which a step that is off should not

                save_file({name: value.contiguous() for name, value in state.items()}, draft / WEIGHTS)


def read_pretrained(folder: Path) -> PretrainedWeights:
    """Reads what a folder says of its weights.

    Raises:
        InputError: A later version of Darkroom wrote it.
    """
    values = _FORMAT.upgrade(read_json(folder / CARD), folder / CARD)
    series = {name: tuple(values.get(name, ())) for name in ("mean", "std", "losses")}
    return record_from(PretrainedWeights, {**values, **series, NOTES: from_plain(values.get(NOTES))})
