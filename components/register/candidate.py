"""The candidate: the one of a run's two models that is to be registered, and what is known of it."""

import hashlib
import io
import json
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from components.register.config import RegisterConfig
from components.register.floor_limit import floor_limits
from darkroom import manifest
from darkroom.artifacts import Artifacts
from darkroom.evaluation import MISTAKES, read_headline, read_metrics
from darkroom.model import read_card
from darkroom.notes import Note, tell
from darkroom.outcome import HEADLINE, Variant
from darkroom.registry.package import bundle_sha256
from darkroom.tracking.tags import DATA_VERSION, INTERVAL_TAG, PREVIOUS, SHA256, VARIANT


@dataclass(frozen=True)
class Candidate:
    """A model that is to be registered.

    Attributes:
        name: The registered model's name.
        variant: Which of the run's two models it is.
        bundle: Its folder.
        evaluation: Its evaluation.
        other_bundle: The other model's folder.
        other_evaluation: The other model's evaluation.
        splits: The assignment that it was trained and tested on.
        issues: What `clean` found.
        previous: The earlier assignment that this one continues, or none.
        contact_sheet: Picture of the augmentations.
        data_version: Hash of the data.
        notes: What was decided in choosing it.
    """

    name: str
    variant: Variant
    bundle: Path
    evaluation: Path
    other_bundle: Path
    other_evaluation: Path
    splits: Path
    issues: Path
    previous: Path | None
    contact_sheet: Path
    data_version: str
    notes: tuple[Note, ...]

    @classmethod
    def choose(cls, name: str, artifacts: Artifacts, previous: Path | None, config: RegisterConfig) -> "Candidate":
        """Takes the pruned model if its card says that it met its limits, else the full one.

        The full one, too, where the floor keeps the pruned one alone from becoming champion: `prune` watches `train.monitor`, not
        `register.measure`.
        """
        variant, notes = artifacts.variant, tuple[Note, ...]()
        if variant == "pruned" and not _reaches_floor(artifacts.pruned_model, config) and _reaches_floor(artifacts.model, config):
            said = f"the full model is registered though the pruned one met its limits: by {config.measure} that falls below the floor"
            variant, notes = "full", tell("register", [said])
        other: Variant = "full" if variant == "pruned" else "pruned"
        return cls(
            name=name,
            variant=variant,
            bundle=artifacts.model_of(variant),
            evaluation=artifacts.evaluation_of(variant),
            other_bundle=artifacts.model_of(other),
            other_evaluation=artifacts.evaluation_of(other),
            splits=artifacts.splits,
            issues=artifacts.issues,
            previous=previous,
            contact_sheet=artifacts.contact_sheet,
            data_version=manifest.read(artifacts.splits).data_version,
            notes=notes,
        )

    @property
    def other_variant(self) -> Variant:
        """The model that is not registered."""
        return "full" if self.variant == "pruned" else "pruned"

    def tags(self) -> dict[str, str]:
        """The version's tags in the registry."""
        card, headline = read_card(self.bundle), read_headline(self.evaluation)
        return {
            SHA256: bundle_sha256(self.bundle),
            DATA_VERSION: self.data_version,
            PREVIOUS: hashlib.sha256(self.previous.read_bytes()).hexdigest() if self.previous else "none",
            VARIANT: self.variant,
            "task": card.task,
            "architecture": card.architecture,
            **{measure: f"{headline[measure]:.4f}" for measure in HEADLINE[:3] if measure in headline},
            **{INTERVAL_TAG.format(measure): json.dumps(limits) for measure, limits in self._intervals().items()},
        }

    def _intervals(self) -> dict[str, dict[str, float]]:
        """The 95 % limits of the headline measures, rounded as these are."""
        known = read_metrics(self.evaluation).get("intervals", {})
        return {measure: {edge: round(value, 4) for edge, value in known[measure].items()} for measure in HEADLINE[:3] if measure in known}

    def example(self) -> bytes:
        """A small image file: the smallest mistake, or where there is none a piece of the contact sheet."""
        pictures = sorted(self.evaluation.joinpath(MISTAKES).glob("*.[jp][pn]g"), key=lambda path: (path.stat().st_size, path.name))
        if pictures:
            return pictures[0].read_bytes()
        side, file = read_card(self.bundle).side_px, io.BytesIO()
        with Image.open(self.contact_sheet) as sheet:
            sheet.convert("RGB").crop((0, 0, side, side)).save(file, "PNG")
        return file.getvalue()


def _reaches_floor(bundle: Path, config: RegisterConfig) -> bool:
    return all(limit.met for limit in floor_limits(read_card(bundle), config))
