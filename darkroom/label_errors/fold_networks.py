"""Predictions of images by small networks that have not seen them, one a fold, trained on pixels."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from darkroom.augmentation.policy import Operation, Policy
from darkroom.label_errors.out_of_fold import calibrated
from darkroom.networks.network import build
from darkroom.system.errors import InputError
from darkroom.system.files import whole
from darkroom.training import devices
from darkroom.training.epochs import OnEpoch, nothing
from darkroom.training.examples import Examples, channel_statistics
from darkroom.training.hyperparameters import Settings
from darkroom.training.linear import Floats, one_hot
from darkroom.training.loop import fit
from darkroom.training.problem import Problem
from darkroom.training.validation import logits_without_training
from darkroom.units import Integers

ARCHITECTURE = "small_cnn"
MIN_IMAGES = 50  # that a fold's network learns from
_BATCH_SIZE, _LEARNING_RATE = 64, 2e-3
_POLICY = Policy(
    operations=(Operation(name="translation", probability=0.9, low=-0.1, high=0.1),)
)  # which changes no label, not even letters


def networks_out_of_fold(
    examples: Examples,
    folds: Integers,
    num_labels: int,
    *,
    epochs: int,
    seed: int,
    doubted: npt.NDArray[np.bool_] | None = None,
    checkpoints: Path | None = None,
    on_epoch: OnEpoch = nothing,
) -> Floats:
    """Predicts each image by a network trained on the images of the other folds, from random weights.

    A network that learns from wrong labels learns how they come about, too: if a tenth of a class has the next one's label, it answers
    that with a tenth, and no label looks wrong.

    Args:
        examples: All images, with their targets.
        folds: `(N,) int64` of 0 and more.
        num_labels: K.
        epochs: Of each network.
        seed: Decides their first weights and the order of the images.
        doubted: `(N,) bool`: images that nothing is learnt from, or none.
        checkpoints: A folder where finished folds and the epochs of the present one are kept, or none.
        on_epoch: Called after each epoch with its number, which goes on from fold to fold, and its measures.

    Returns:
        `(N, K) float32`: probabilities, which add up to 1 where each image has one label.

    Raises:
        InputError: A fold leaves fewer than `MIN_IMAGES` images to learn from, or a training has left the finite numbers.
    """
    numbers, taught = np.unique(folds).tolist(), np.ones(len(folds), bool) if doubted is None else ~doubted
    least = min(int((taught & (folds != fold)).sum()) for fold in numbers)
    if least < MIN_IMAGES:
        raise InputError(
            f"clean.label_model is 'network', and a fold leaves {least} images to learn from, fewer than {MIN_IMAGES}: set it to linear"
        )
    logits = np.zeros((len(folds), num_labels), np.float32)
    for place, fold in enumerate(numbers):
        kept = checkpoints and checkpoints / f"fold_{fold}.npy"
        if not kept or not kept.is_file():
            held_out, learnt = (np.flatnonzero(chosen) for chosen in (folds == fold, taught & (folds != fold)))
            print(f"network {place + 1} of {len(numbers)}, one a fold, learns from {len(learnt):,} images", flush=True)
            parts = examples.at(torch.from_numpy(held_out)), examples.at(torch.from_numpy(learnt))
            checkpoint = checkpoints and checkpoints / f"fold_{fold}"
            found = _answers(*parts, num_labels, _settings(epochs, seed, fold), checkpoint, _continued(on_epoch, place * epochs))
            if not kept:
                logits[folds == fold] = found
                continue
            with whole(kept) as draft, draft.open("wb") as file:
                np.save(file, found)
        logits[folds == fold] = np.load(kept)
    targets = one_hot(examples.targets.numpy(), num_labels)
    return calibrated(logits, targets, taught, exclusive=examples.targets.ndim == 1)


def _settings(epochs: int, seed: int, fold: int) -> Settings:
    own = int(np.random.SeedSequence([seed, fold]).generate_state(1)[0] >> 1)
    return Settings(epochs, _BATCH_SIZE, learning_rate=_LEARNING_RATE, class_balance="none", mixed_precision="off", seed=own)


def _continued(on_epoch: OnEpoch, before: int) -> OnEpoch:
    """What is told of a fold's epochs, numbered on from those of the folds before."""

    def tell(epoch: int, row: dict[str, float]) -> None:
        on_epoch(before + epoch, {"train_loss": row["train_loss"]})

    return tell


def _answers(
    held_out: Examples, learnt: Examples, num_labels: int, settings: Settings, checkpoint: Path | None, on_epoch: OnEpoch
) -> Floats:
    """The logits of a new network for the images that are held out, `(n, K) float32`."""
    nothing, task = learnt.at(torch.zeros(0, dtype=torch.int64)), "multiclass" if learnt.targets.ndim == 1 else "multilabel"
    names, statistics = tuple(map(str, range(num_labels))), channel_statistics(learnt)
    problem = Problem(learnt, nothing, np.zeros(0, np.int64), _POLICY, names, task, *statistics)  # type: ignore[arg-type]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        network = build(ARCHITECTURE, num_labels, side_px=learnt.side_px)
    try:
        with devices.threads("auto"):
            fit(network, problem, settings, checkpoint=checkpoint, on_epoch=on_epoch)
            found: Floats = logits_without_training(network, held_out, problem, settings).numpy()
    except InputError as error:
        raise InputError(f"clean.label_model is 'network', and a network's training failed ({error}): set it to linear") from None
    return found
