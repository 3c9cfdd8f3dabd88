"""What one run's steps have left: the files that `register` and `report` read, as one noun."""

from dataclasses import dataclass
from pathlib import Path

from darkroom.evaluation import read_notes
from darkroom.model import GRAPH, read_card
from darkroom.notes import KEY as NOTES
from darkroom.notes import Note, from_plain
from darkroom.outcome import Variant

CORRECTIONS = "corrections.png"  # in the folder of learning curves: what corrections do to images, where any are made


@dataclass(frozen=True)
class Artifacts:
    """What the steps of one run have left.

    A step's function that takes `artifacts: Artifacts` is given them one by one, under these names, by whatever runs it.

    Attributes:
        model: The full model, see `darkroom.model`.
        pruned_model: The pruned one; its card says whether it met its limits.
        evaluation: What `evaluate` wrote about the full model, see `darkroom.evaluation`.
        pruned_evaluation: What it wrote about the pruned one.
        floor_evaluation: What it wrote about the floor, a linear model on the embeddings.
        splits: Manifest with its `split` column.
        issues: Findings of `clean`.
        contact_sheet: Picture of the augmentations, PNG.
        history: The training's measures, a row an epoch, CSV.
        learning_curves: Pictures of them, a folder of PNG files, and of what corrections do to images.
    """

    model: Path
    pruned_model: Path
    evaluation: Path
    pruned_evaluation: Path
    floor_evaluation: Path
    splits: Path
    issues: Path
    contact_sheet: Path
    history: Path
    learning_curves: Path

    @property
    def variant(self) -> Variant:
        """The model that is to be registered: the pruned one if it met its limits, else the full one."""
        return "pruned" if (read_card(self.pruned_model).pruning or {}).get("met") else "full"

    @property
    def latency_ratio(self) -> float:
        """The pruned model's latency over the full one's."""
        return float((read_card(self.pruned_model).pruning or {}).get("latency_ratio", 1.0))

    @property
    def size_ratio(self) -> float:
        """The size of the pruned model's graph over that of the full one's."""
        return (self.pruned_model / GRAPH).stat().st_size / (self.model / GRAPH).stat().st_size

    @property
    def notes(self) -> tuple[Note, ...]:
        """What the steps decided or left out, in their order."""
        return (*model_notes(self.pruned_model), *read_notes(self.evaluation))

    def model_of(self, variant: Variant) -> Path:
        """The folder of one of the two models."""
        return self.pruned_model if variant == "pruned" else self.model

    def evaluation_of(self, variant: Variant) -> Path:
        """The evaluation of one of the two models."""
        return self.pruned_evaluation if variant == "pruned" else self.evaluation


def model_notes(folder: Path) -> tuple[Note, ...]:
    """The notes of the steps that made a model; of `prune` what it reached."""
    card = read_card(folder)
    reason = str((card.pruning or {}).get("reason", ""))
    return (*from_plain(card.provenance.get(NOTES)), *((Note("prune", reason),) if reason else ()))
