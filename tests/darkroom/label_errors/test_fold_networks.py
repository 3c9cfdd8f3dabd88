"""Networks, one a fold, that have not seen the images that they answer for."""

from pathlib import Path

import numpy as np
import pytest
import torch

from darkroom.label_errors import fold_networks
from darkroom.label_errors.fold_networks import networks_out_of_fold
from darkroom.system.errors import InputError
from darkroom.training.examples import Examples

NUMBER = 120
FOLDS = np.arange(NUMBER) // 4 % 3


def pictures(shown: np.ndarray) -> torch.Tensor:
    """Noise in which each channel is bright where its column of `shown`, `(N, 3)`, is 1."""
    noise = np.random.default_rng(0).integers(0, 150, (len(shown), 16, 16, 3))
    return torch.from_numpy((noise + 100 * shown[:, None, None, :]).astype(np.uint8))


def classes() -> tuple[Examples, np.ndarray]:
    """Images of three colours, of which some have the next one's label."""
    y_true, moved = np.arange(NUMBER) % 3, np.arange(NUMBER) % 30 == 7
    return Examples(pictures(np.eye(3)[y_true]), torch.from_numpy((y_true + moved) % 3)), y_true


@pytest.mark.slow
def test_each_image_is_answered_by_what_the_other_folds_show_and_the_same_by_the_same_seed() -> None:
    examples, y_true = classes()
    first, second, other = (networks_out_of_fold(examples, FOLDS, 3, epochs=8, seed=seed) for seed in (1, 1, 2))
    assert (first.argmax(1) == y_true).mean() > 0.95
    np.testing.assert_allclose(first.sum(1), 1, atol=1e-4)
    np.testing.assert_array_equal(first, second)
    assert (first != other).any()


@pytest.mark.slow
def test_a_fold_learns_nothing_from_its_own_images() -> None:
    examples, _ = classes()
    changed = examples.targets.clone()
    changed[FOLDS == 1] = 0
    answers = []
    for targets in (examples.targets, changed):
        kept: list[np.ndarray] = []
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(fold_networks, "calibrated", lambda logits, *_, kept=kept, **__: kept.append(logits.copy()))
            networks_out_of_fold(Examples(examples.pixels, targets), FOLDS, 3, epochs=1, seed=0)
        answers.append(kept[0])
    np.testing.assert_array_equal(answers[0][FOLDS == 1], answers[1][FOLDS == 1])
    assert (answers[0][FOLDS == 0] != answers[1][FOLDS == 0]).any()


@pytest.mark.slow
def test_nothing_is_learnt_from_what_is_doubted_and_it_is_answered_all_the_same() -> None:
    examples, y_true = classes()
    doubted = examples.targets.numpy() != y_true
    wrong = examples.targets.clone()
    wrong[torch.from_numpy(doubted)] = 0
    answers = []
    for targets in (examples.targets, wrong):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(fold_networks, "calibrated", lambda logits, *_, **__: answers.append(logits.copy()))
            networks_out_of_fold(Examples(examples.pixels, targets), FOLDS, 3, epochs=8, seed=0, doubted=doubted)
    np.testing.assert_array_equal(*answers)
    assert (answers[0][doubted].argmax(1) == y_true[doubted]).all()


@pytest.mark.slow
def test_of_several_labels_each_is_answered() -> None:
    shown = np.random.default_rng(1).integers(0, 2, (NUMBER, 3))
    examples = Examples(pictures(shown), torch.from_numpy(shown.astype(np.float32)))
    found = networks_out_of_fold(examples, FOLDS, 3, epochs=10, seed=0)
    assert ((found > 0.5) == (shown > 0)).mean() > 0.9


@pytest.mark.slow
def test_a_fold_that_is_done_is_not_trained_again_and_epochs_are_numbered_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    examples, told = classes()[0], list[int]()
    expected = networks_out_of_fold(
        examples, FOLDS, 3, epochs=2, seed=0, checkpoints=tmp_path, on_epoch=lambda epoch, _: told.append(epoch)
    )
    assert told == [1, 2, 3, 4, 5, 6]
    (tmp_path / "fold_1.npy").unlink()  # as where a run was killed after the last epoch of this fold
    capsys.readouterr()
    told.clear()
    found = networks_out_of_fold(examples, FOLDS, 3, epochs=2, seed=0, checkpoints=tmp_path, on_epoch=lambda epoch, _: told.append(epoch))
    assert told == [3, 4]
    assert "resuming after epoch 2/2" in capsys.readouterr().out
    np.testing.assert_array_equal(found, expected)


def test_too_few_images_are_refused_in_one_sentence() -> None:
    examples = classes()[0].at(torch.arange(60))
    with pytest.raises(
        InputError, match=r"^clean\.label_model is 'network', and a fold leaves 40 images .* fewer than 50: set it to linear$"
    ):
        networks_out_of_fold(examples, FOLDS[:60], 3, epochs=1, seed=0)


@pytest.mark.slow
def test_a_training_that_fails_says_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fold_networks, "_LEARNING_RATE", 1e30)
    with pytest.raises(InputError, match=r"clean\.label_model is 'network', and a network's training failed .*: set it to linear"):
        networks_out_of_fold(classes()[0], FOLDS, 3, epochs=2, seed=0)
