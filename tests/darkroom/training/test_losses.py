"""Losses, against closed forms; and weights, against counts."""

import math

import pytest
import torch
import torch.nn.functional as F

from darkroom.system.errors import InputError
from darkroom.training.hyperparameters import Settings
from darkroom.training.losses import class_weights, make_loss


def plain(**changes):
    return Settings(1, **({"class_balance": "none", "label_smoothing": 0.0} | changes))


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_even_classes_weigh_one_and_rare_ones_the_inverse_root_of_their_share():
    assert class_weights("multiclass", torch.tensor([0, 1, 2]), 3).tolist() == [1, 1, 1]
    weights = class_weights("multiclass", torch.tensor([0] * 16 + [1] * 4), 2)
    assert weights[1] / weights[0] == pytest.approx(2)


def test_a_class_that_does_not_occur_weighs_one_and_skews_nothing():
    assert class_weights("multiclass", torch.tensor([0, 1]), 3).tolist() == [1, 1, 1]
    assert class_weights("multilabel", torch.tensor([[0.0, 1.0], [1.0, 1.0]]), 2)[:, 0].tolist() == [1, 1]
    assert class_weights("multilabel", torch.tensor([[0.0, 1.0], [1.0, 1.0]]), 2)[0, 1] == 1


def test_a_very_rare_class_weighs_ten_at_most():
    assert class_weights("multiclass", torch.tensor([0] * 10_000 + [1]), 2)[1] == 10


def test_without_balance_the_loss_is_plain_cross_entropy():
    logits, targets = torch.randn(5, 3, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 0, 0, 1, 2])
    loss = make_loss("multiclass", targets, 3, plain())
    torch.testing.assert_close(loss(logits, targets), F.cross_entropy(logits, targets))


def test_a_multilabel_loss_with_weights_and_smoothing_equals_its_closed_form():
    targets = torch.tensor([[1.0, 0.0], [1.0, 1.0], [1.0, 0.0], [0.0, 0.0]])
    logits = torch.randn(4, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    loss = make_loss("multilabel", targets, 2, plain(class_balance="weights", label_smoothing=0.2))
    p, smooth = logits.sigmoid(), targets * 0.8 + 0.1
    present = torch.tensor([(2 / 3) ** 0.5, 2**0.5])
    absent = torch.tensor([2**0.5, (2 / 3) ** 0.5])
    expected = -(smooth * p.log() + (1 - smooth) * (1 - p).log()) * torch.where(targets == 1, present, absent)
    torch.testing.assert_close(loss(logits, targets), expected.mean(), check_dtype=False)


@pytest.mark.parametrize("balance", ["none", "weights"])
@pytest.mark.parametrize("smoothing", [0.0, 0.3])
@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_the_focal_loss_of_classes_equals_its_closed_form(balance, smoothing, gamma):
    targets, logits = torch.tensor([0, 0, 0, 1, 2]), 3 * normal(5, 3)
    loss = make_loss("multiclass", targets, 3, plain(loss="focal", loss_gamma=gamma, class_balance=balance, label_smoothing=smoothing))
    weights = class_weights("multiclass", targets, 3).tolist() if balance == "weights" else [1.0] * 3
    total = 0.0
    for row, true in zip(logits.exp().tolist(), targets.tolist(), strict=True):
        for k, p in enumerate(value / sum(row) for value in row):
            truth = (1 - smoothing) * (k == true) + smoothing / 3
            total -= weights[k] * truth * (1 - p) ** gamma * math.log(p)
    assert float(loss(logits, targets)) == pytest.approx(total / sum(weights[true] for true in targets), rel=1e-6)


@pytest.mark.parametrize("name", ["focal", "asymmetric"])
@pytest.mark.parametrize("balance", ["none", "weights"])
@pytest.mark.parametrize("gamma", [0.0, 1.0, 4.0])
def test_the_losses_of_labels_equal_their_closed_forms(name, balance, gamma):
    targets, logits = torch.tensor([[1.0, 0.0], [1.0, 1.0], [1.0, 0.0], [0.0, 0.0]]), 3 * normal(4, 2)
    loss = make_loss("multilabel", targets, 2, plain(loss=name, loss_gamma=gamma, class_balance=balance))
    weights = class_weights("multilabel", targets, 2) if balance == "weights" else torch.ones(2, 2)
    total = 0.0
    for row in range(4):
        for k in range(2):
            p, is_present = 1 / (1 + math.exp(-float(logits[row, k]))), bool(targets[row, k])
            if name == "focal":
                one = (1 - p) ** gamma * math.log(p) if is_present else p**gamma * math.log(1 - p)
            else:
                shifted = max(p - 0.05, 0)
                one = math.log(p) if is_present else shifted**gamma * math.log(1 - shifted)
            total -= float(weights[int(is_present), k]) * one
    assert float(loss(logits, targets)) == pytest.approx(total / 8, rel=1e-6)


@pytest.mark.parametrize("task", ["multiclass", "multilabel"])
@pytest.mark.parametrize("name", ["auto", "focal", "asymmetric"])
def test_the_losses_of_parts_add_up_and_slopes_are_finite_where_answers_are_sure(task, name):
    if (task, name) == ("multiclass", "asymmetric"):
        with pytest.raises(InputError, match=r"^train\.loss is 'asymmetric', which is for multilabel tasks, and this task is multiclass"):
            make_loss(task, torch.tensor([0, 1]), 2, plain(loss=name))
        return
    targets = torch.tensor([0, 1, 1, 1, 1]) if task == "multiclass" else torch.tensor([[0.0, 1]] * 4 + [[1.0, 0]])
    loss = make_loss(task, targets, 2, plain(loss=name, loss_gamma=0.5, class_balance="weights"))
    logits = (torch.tensor([0.0, 1.0, 10.0, -100.0, 1000.0])[:, None] * torch.tensor([1.0, -1.0])).requires_grad_()
    whole = loss(logits, targets)
    (slope,) = torch.autograd.grad(whole, logits)
    assert slope.isfinite().all() and slope.abs().max() > 0
    parts = loss(logits[:2], targets[:2], targets) + loss(logits[2:], targets[2:], targets)
    torch.testing.assert_close(parts, whole)


WEIGHTS = torch.tensor([0.0, 2.0, 1.0, 0.0, 2.0, 1.0])


def weighed_and_repeated(task, **changes):
    """The loss of a whole training set, and its slope, by images: with weights, and with each image so often."""
    targets = torch.tensor([0, 1, 1, 2, 2, 1]) if task == "multiclass" else (normal(6, 3, seed=5) > 0).float()
    changes = {"class_balance": "weights", "label_smoothing": 0.1, "loss_gamma": 2.0} | changes
    rows, found = torch.arange(6).repeat_interleave(WEIGHTS.long()), []
    for chosen, weights in ((torch.arange(6), WEIGHTS / WEIGHTS.mean()), (rows, None)):
        logits = normal(6, 3, seed=4).requires_grad_()
        loss = make_loss(task, targets[chosen], 3, plain(**changes), weights)(logits[chosen], targets[chosen], image_weights=weights)
        found += [loss.detach(), *torch.autograd.grad(loss, logits)]
    return found


@pytest.mark.parametrize("task", ["multiclass", "multilabel"])
@pytest.mark.parametrize("changes", [{}, {"loss": "focal"}, {"class_balance": "none"}, {"class_balance": "sampling"}])
def test_an_image_of_weight_0_is_as_left_out_and_one_of_weight_2_as_there_twice(task, changes):
    loss, slope, expected, expected_slope = weighed_and_repeated(task, **changes)
    torch.testing.assert_close(loss, expected, rtol=1e-6, atol=0)
    torch.testing.assert_close(slope, expected_slope, rtol=1e-5, atol=1e-9)
    assert not slope[[0, 3]].any() and slope[[1, 2, 4, 5]].all()


@pytest.mark.parametrize("task", ["multiclass", "multilabel"])
def test_weighed_losses_of_parts_add_up_and_validation_is_not_weighed(task):
    targets = torch.tensor([0, 1, 1, 2, 2, 1]) if task == "multiclass" else (normal(6, 3, seed=5) > 0).float()
    loss, logits = make_loss(task, targets, 3, plain(class_balance="weights"), WEIGHTS), normal(6, 3, seed=4)
    whole = loss(logits, targets, image_weights=WEIGHTS)
    parts = [loss(logits[part], targets[part], targets, WEIGHTS[part]) for part in (slice(0, 2), slice(2, 6))]
    torch.testing.assert_close(sum(parts), whole)
    unweighed = make_loss(task, targets, 3, plain(class_balance="none"), WEIGHTS)
    torch.testing.assert_close(unweighed(logits, targets), make_loss(task, targets, 3, plain())(logits, targets))
