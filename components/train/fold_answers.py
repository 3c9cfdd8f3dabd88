"""The folds distilled into one network: what each fold's network answers for the images that it left out is learnt beside the labels.

An image's answer comes from a network that has not learnt from it. Only answers for training images are taken: the validation images
that the folds also left out choose the epoch, and the test images take no part in folds.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from components.train.config import TrainConfig
from components.train.cross_validation import folds_of
from darkroom.manifest import Manifest
from darkroom.system.files import whole
from darkroom.training import validation
from darkroom.training.hyperparameters import Settings
from darkroom.training.known_answers import KnownAnswers, answers_for
from darkroom.training.problem import Problem

_FILE = "fold_{}_answers.npz"


class FoldAnswers:
    """Answers of the folds' networks, kept beside the checkpoints where there are any.

    Args:
        folder: Where finished folds are kept, or none.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder, self._known = folder, dict[int, tuple[Sequence[str], Tensor]]()

    def keep(self, fold: int, left_out: Manifest, network: nn.Module, problem: Problem, settings: Settings) -> None:
        """Asks the network of a fold for the images that it left out.

        Args:
            fold: The fold's number.
            left_out: Rows of these images.
            network: On the CPU, where it is left.
            problem: What it has learnt; its validation images are those that were left out.
            settings: How.
        """
        logits = validation.logits_without_training(network, problem.validation, problem, settings)
        names = left_out.column("image_id")
        self._known[fold] = names, logits
        if self._folder:
            with whole(self._folder / _FILE.format(fold)) as draft, draft.open("wb") as file:
                np.savez(file, names=np.array(names), logits=logits.numpy())

    def for_training(self, table: Manifest, problem: Problem, config: TrainConfig) -> KnownAnswers | None:
        """The answers for the training images; none where they are not asked for, or there are no folds.

        Args:
            table: All rows.
            problem: What is to be learnt.
            config: Settings.
        """
        folds = folds_of(table) if config.distill_folds else []
        if not folds:
            return None
        known = {name: row for fold in folds for name, row in zip(*self._of(fold), strict=True)}
        rows = table.where("train")
        sources = rows.column("source_id") if "source_id" in rows.table.column_names else [None] * len(rows)
        names = [source or name for name, source in zip(rows.column("image_id"), sources, strict=True)]
        share, temperature = config.distill_folds, config.distill_temperature
        return answers_for(
            names, problem.train.targets, known, len(problem.classes), task=problem.task, share=share, temperature=temperature
        )

    def _of(self, fold: int) -> tuple[Sequence[str], Tensor]:
        if fold not in self._known:
            assert self._folder
            with np.load(self._folder / _FILE.format(fold)) as found:
                self._known[fold] = found["names"].tolist(), torch.from_numpy(found["logits"])
        return self._known[fold]


def told(answers: KnownAnswers | None) -> list[str]:
    """What a person should know of answers that are learnt."""
    if answers is None:
        return []
    return [
        f"the folds are distilled: their networks' answers for the {len(answers.logits):,} training images, each of a network that has not "
        f"learnt from the image, count {answers.share:g} in the loss, at temperature {answers.temperature:g}"
    ]
