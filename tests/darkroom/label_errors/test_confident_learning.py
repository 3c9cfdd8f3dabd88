"""What is found among labels of which some are wrong, and what is not among right ones."""

import numpy as np

from darkroom.label_errors.confident_learning import find_label_errors


def answers(y_true: np.ndarray, num_labels: int, sure: float = 0.9) -> np.ndarray:
    """Probabilities of a model that is right."""
    found = np.full((len(y_true), num_labels), (1 - sure) / (num_labels - 1), np.float32)
    found[np.arange(len(y_true)), y_true] = sure
    return found


def test_moved_labels_are_found_and_their_right_ones_proposed() -> None:
    y_true = np.arange(300) % 3
    moved = np.arange(300) % 25 == 0
    errors = find_label_errors(answers(y_true, 3), np.where(moved, (y_true + 1) % 3, y_true))
    assert (errors.found == moved).all()
    assert (errors.proposed.argmax(1) == y_true).all()
    assert errors.scores[moved].min() > 0.9 > 0.1 > errors.scores[~moved].max()


def test_nothing_is_found_where_the_labels_are_what_the_model_answers() -> None:
    y_true = np.arange(300) % 3
    errors = find_label_errors(answers(y_true, 3), y_true)
    assert not errors.found.any()
    assert (errors.proposed.argmax(1) == y_true).all()


def test_of_several_labels_the_wrong_one_is_turned_over() -> None:
    y_true = np.stack([np.arange(400) % 2, np.arange(400) % 5 == 0], axis=1).astype(np.int64)
    given = y_true.copy()
    given[::40, 1] = 1 - given[::40, 1]
    errors = find_label_errors((0.05 + 0.9 * y_true).astype(np.float32), given)
    assert np.flatnonzero(errors.found).tolist() == list(range(0, 400, 40))
    assert (errors.proposed == (y_true > 0)).all()
    assert errors.scores[::40].min() > 0.9
