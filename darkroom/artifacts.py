"""What the steps of a run have left."""

from dataclasses import dataclass
from pathlib import Path

from darkroom.outcome import Variant


@dataclass(frozen=True)
class Sources:
    """What the steps of a run have left: the artifacts that the report shows.

    Attributes:
        model: The full model.
        pruned_model: The pruned one.
        evaluation: Of the full model.
        pruned_evaluation: Of the pruned one.
        splits: Manifest with its `split` column.
        issues: Findings of `clean`.
        contact_sheet: Picture of the augmentations.
        history: The training's curves.
    """

    model: Path
    pruned_model: Path
    evaluation: Path
    pruned_evaluation: Path
    splits: Path
    issues: Path
    contact_sheet: Path
    history: Path

    def judged(self, variant: Variant) -> Path:
        """The evaluation of one of the two models."""
        return self.pruned_evaluation if variant == "pruned" else self.evaluation
