"""What is said where classes are balanced by two means."""

from typing import Any

import pytest

from components.train.balance_notes import tell_balances
from components.train.config import TrainConfig
from darkroom.manifest import Manifest, make_table
from darkroom.system.config import parse


def table(num_copies: int) -> Manifest:
    num = 4 + num_copies
    columns: dict[str, list[Any]] = {
        "path": [f"{number}.png" for number in range(num)],
        "image_id": [f"{number:064}" for number in range(num)],
        "label": ["a", "a", "b", "b", *(["b"] * num_copies)],
        "width": [8] * num,
        "height": [8] * num,
        "split": ["train", "train", "train", "test", *(["train"] * num_copies)],
        "source_id": [None] * 4 + [f"{2:064}"] * num_copies,
    }
    return Manifest(make_table(columns), ("a", "b"), "binary", "v1")


@pytest.mark.parametrize(
    ("num_copies", "class_balance", "words", "is_warning"),
    [
        pytest.param(3, "auto", ["by 3 copies (augment.target_share)", "(train.class_balance is auto)"], False, id="auto"),
        pytest.param(3, "weights", ["augment.target_share=0", "weights in the loss", "train.class_balance=none"], True, id="weights"),
        pytest.param(3, "sampling", ["augment.target_share=0", "drawing their images", "train.class_balance=none"], True, id="sampling"),
    ],
)
def test_copies_and_another_balance_are_told(num_copies: int, class_balance: str, words: list[str], is_warning: bool) -> None:
    (note,) = tell_balances(table(num_copies), parse(TrainConfig, "train", {"class_balance": class_balance}))
    assert [word for word in words if word not in note.text] == []
    assert note.is_warning == is_warning


@pytest.mark.parametrize(("num_copies", "class_balance"), [(0, "weights"), (0, "auto"), (3, "none")])
def test_one_balance_is_not(num_copies: int, class_balance: str) -> None:
    assert tell_balances(table(num_copies), parse(TrainConfig, "train", {"class_balance": class_balance})) == ()
