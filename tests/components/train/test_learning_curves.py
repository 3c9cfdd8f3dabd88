"""Learning curves are drawn for any history, without a warning (warnings are errors here)."""

from pathlib import Path

import pytest
from PIL import Image

from components.train.learning_curves import draw

BLUE, ORANGE = (37, 99, 235), (234, 88, 12)


def row(epoch: int, loss: float, **measures: float) -> dict[str, float]:
    return {"epoch": float(epoch), "train_loss": loss, "learning_rate": 0.1, **measures}


def colours(path: Path) -> set[tuple[int, ...]]:
    with Image.open(path) as picture:
        return {colour for _, colour in picture.convert("RGB").getcolors(2**16)}  # type: ignore[union-attr,misc]


@pytest.mark.parametrize(
    "losses", [[0.5], [0.5, 0.5], [-3e-9, *[4e7] * 700]], ids=["a single epoch", "a level curve", "many epochs and magnitudes"]
)
def test_any_history_is_drawn(losses: list[float], tmp_path: Path) -> None:
    history = [row(number, loss, validation_loss=loss + 1, validation_accuracy=0.5) for number, loss in enumerate(losses, 1)]
    draw(tmp_path / "curves", history, 1, "accuracy")
    assert {path.name for path in (tmp_path / "curves").iterdir()} == {"loss.png", "measures.png"}
    assert {BLUE, ORANGE} <= colours(tmp_path / "curves" / "loss.png")


def test_without_validation_images_only_the_training_loss_is_drawn(tmp_path: Path) -> None:
    draw(tmp_path / "curves", [row(1, 1.0), row(2, 0.5)], 2, "f1_macro")
    assert [path.name for path in (tmp_path / "curves").iterdir()] == ["loss.png"]
    found = colours(tmp_path / "curves" / "loss.png")
    assert BLUE in found and ORANGE not in found


def test_the_measure_that_chooses_the_epoch_is_drawn(tmp_path: Path) -> None:
    history = [row(number, 0.5, validation_roc_auc=number / 2, validation_accuracy=0.5) for number in (1, 2)]
    for monitor in ("roc_auc", "loss"):
        draw(tmp_path / monitor, history, 1, monitor)
    assert (tmp_path / "roc_auc" / "measures.png").read_bytes() != (tmp_path / "loss" / "measures.png").read_bytes()


def test_equal_histories_make_equal_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        draw(tmp_path / name, [row(1, 1.0), row(2, 0.5)], 2, "f1_macro")
    assert (tmp_path / "a" / "loss.png").read_bytes() == (tmp_path / "b" / "loss.png").read_bytes()
