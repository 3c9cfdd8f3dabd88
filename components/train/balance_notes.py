"""Says where rare classes are made to count by two means at once: by copies, and by weights or by how often images are drawn."""

from components.train.config import TrainConfig
from darkroom.manifest import Manifest
from darkroom.notes import Note, tell

_BY = {"auto": "weights in the loss", "weights": "weights in the loss", "sampling": "drawing their images more often"}


def tell_balances(table: Manifest, config: TrainConfig) -> tuple[Note, ...]:
    """A note if the training images of a network have copies and `train.class_balance` balances them, too.

    It is a warning unless the latter is `auto`, whose weights count the copies: they only do what these leave to be done.

    Args:
        table: All rows, with their `split`.
        config: How the network is trained.
    """
    num_copies = sum(table.where("train").is_copy)
    if not num_copies or config.class_balance not in _BY:
        return ()
    twice = (
        f"rare classes are balanced twice, by {num_copies:,} copies (augment.target_share) and by {_BY[config.class_balance]} "
        f"(train.class_balance is {config.class_balance})"
    )
    if config.class_balance == "auto":
        return tell("train", [f"{twice}; the weights count the copies"])
    return tell("train", (), [f"{twice}: set augment.target_share=0 or train.class_balance=none to balance them once"])
