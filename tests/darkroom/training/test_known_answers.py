"""Answers that are known are learnt beside the labels: as a whole batch or in parts, mixed as the images are."""

import pytest
import torch

from darkroom.training.known_answers import KnownAnswers, answers_for
from darkroom.training.losses import divergence

TARGETS = {"multiclass": torch.tensor([0, 1, 2, 1]), "multilabel": torch.tensor([[1, 0, 0], [0, 1, 1], [0, 0, 1], [1, 1, 0]])}


def logits(seed, number=4):
    return torch.randn(number, 3, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("task", ["multiclass", "multilabel"])
@pytest.mark.parametrize("temperature", [1.0, 4.0])
def test_the_same_answers_cost_nothing_and_others_do(task, temperature):
    wanted = (logits(0) / temperature).sigmoid() if task == "multilabel" else (logits(0) / temperature).softmax(1)
    assert divergence(task, logits(0), wanted, temperature) == pytest.approx(0, abs=1e-5)
    assert divergence(task, logits(1), wanted, temperature) > 0.1


def test_parts_add_up_to_the_batch_and_labels_keep_their_share():
    answers, own, rows = KnownAnswers(logits(0), "multiclass", 0.25, 2.0), logits(1), torch.tensor([3, 1, 0, 2])

    def blended(part, loss):
        return answers.blend(torch.tensor(loss), own[part], rows[part], rows[part], 1.0, 4)

    whole = blended(slice(0, 4), 8.0)
    torch.testing.assert_close(blended(slice(0, 1), 2.0) + blended(slice(1, 4), 6.0), whole)
    wanted = (logits(0)[rows] / 2).softmax(1)
    torch.testing.assert_close(whole, 0.75 * 8 + 0.25 * divergence("multiclass", own, wanted, 2.0) / 4)


def test_a_mixed_image_is_to_get_a_mixed_answer():
    answers, rows, partners = KnownAnswers(logits(0), "multiclass", 1.0, 1.0), torch.tensor([0, 1]), torch.tensor([2, 3])
    mixed = (0.7 * logits(0)[:2].softmax(1) + 0.3 * logits(0)[2:].softmax(1)).log()
    assert answers.blend(torch.tensor(9.0), mixed, rows, partners, 0.7, 2) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("task", ["multiclass", "multilabel"])
def test_answers_stand_in_the_order_of_the_images_and_a_label_stands_in_for_one_that_is_missing(task):
    known = {"a": logits(0)[0], "b": logits(0)[1]}
    found = answers_for(["b", "a", "new", "b"], TARGETS[task], known, 3, task=task, share=0.5, temperature=3.0)
    torch.testing.assert_close(found.logits[[0, 1, 3]], logits(0)[[1, 0, 1]])
    likely = (found.logits[2] / 3).sigmoid() if task == "multilabel" else (found.logits[2] / 3).softmax(0)
    expected = [0.05, 0.05, 0.95] if task == "multilabel" else [0.025, 0.025, 0.95]
    torch.testing.assert_close(likely, torch.tensor(expected))


def test_answers_count_as_their_images_do():
    answers, own = KnownAnswers(logits(0), "multiclass", 1.0, 1.0), logits(1)
    rows, partners, weights = torch.tensor([3, 1]), torch.tensor([0, 1]), torch.tensor([0.0, 2.0, 9.0, 4.0])
    found = answers.blend(torch.tensor(9.0), own[:2], rows, partners, 0.75, 2, weights)
    mixed = 0.75 * logits(0)[rows].softmax(1) + 0.25 * logits(0)[partners].softmax(1)
    each = [divergence("multiclass", own[[row]], mixed[[row]], 1.0) for row in range(2)]
    torch.testing.assert_close(found, (3 * each[0] + 2 * each[1]) / 2)
