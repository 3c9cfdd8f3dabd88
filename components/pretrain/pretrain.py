"""`pretrain`: lets the network of `train` learn from images without labels, so that it needs fewer with."""

from pathlib import Path
from typing import Any

from components.pretrain.config import PretrainConfig
from darkroom.pretrained_weights import PretrainedWeights
from darkroom.training.epochs import OnEpoch, nothing

MEASURES = ("num_images", "num_held_out", "num_unreadable", "num_epochs", "side_px", "loss")


def pretrain(
    images: Path,
    examples: Path,
    policy: Path,
    pretrained: Path,
    *,
    config: PretrainConfig,
    network: dict[str, Any],
    unlabelled_images: Path | None = None,
    unlabelled_manifest: Path | None = None,
    evaluation_cleaned: Path | None = None,
    checkpoints: Path | None = None,
    on_epoch: OnEpoch = nothing,
) -> dict[str, float]:
    """Trains the network that `train` would choose, from the weights that it would start from, to know two views of an image again.

    Where `config.enabled` is false nothing is learnt.

    Args:
        images: Packed images.
        examples: Table of images with their `split`, and the copies.
        policy: What is done to training images on the fly; views are mirrored and turned as it says.
        pretrained: Where the weights are written, see `darkroom.pretrained_weights`.
        config: Method, epochs and views.
        network: Settings of `train` that decide on its network and where it computes, see `darkroom.runtime.step.network_settings`.
        unlabelled_images: Packed images without labels, or none: then the training split's own are learnt from.
        unlabelled_manifest: Their table; without a row, there are none.
        evaluation_cleaned: Table of the user's own evaluation set, of which nothing is learnt; or none.
        checkpoints: A folder for unfinished work, from which the training resumes after a kill; the caller removes it.
        on_epoch: Called after each epoch with its number, from 1, and its `loss` and `learning_rate`.

    Returns:
        The numbers of images learnt from, left out as they are tested or compared on, and left out as they can't be decoded; of epochs;
        the side, and the last epoch's loss. Zeros where nothing was learnt.

    Raises:
        InputError: There are fewer than two images, `train.model` is no network, or the settings don't fit the data.
    """
    learnt, state, measures = PretrainedWeights(), None, dict.fromkeys(MEASURES, 0.0)
    if config.enabled:
        from components.pretrain.learning import Sources, learn  # torch takes seconds, which a step that is off should not

        sources = Sources(images, examples, policy, unlabelled_images, unlabelled_manifest, evaluation_cleaned)
        learnt, state, measures = learn(sources, config, network, checkpoints, on_epoch)
    learnt.write(pretrained, state)
    return measures
