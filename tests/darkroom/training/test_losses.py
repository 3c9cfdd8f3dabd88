"""Losses, against closed forms; and weights, against counts."""

import pytest
import torch
import torch.nn.functional as F

from darkroom.training.losses import class_weights, make_loss


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
    loss = make_loss("multiclass", targets, 3, balance="none", label_smoothing=0)
    assert loss(logits, targets) == F.cross_entropy(logits, targets)


def test_a_multilabel_loss_with_weights_and_smoothing_equals_its_closed_form():
    targets = torch.tensor([[1.0, 0.0], [1.0, 1.0], [1.0, 0.0], [0.0, 0.0]])
    logits = torch.randn(4, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    loss = make_loss("multilabel", targets, 2, balance="weights", label_smoothing=0.2)
    p, smooth = logits.sigmoid(), targets * 0.8 + 0.1
    present = torch.tensor([(2 / 3) ** 0.5, 2**0.5])
    absent = torch.tensor([2**0.5, (2 / 3) ** 0.5])
    expected = -(smooth * p.log() + (1 - smooth) * (1 - p).log()) * torch.where(targets == 1, present, absent)
    torch.testing.assert_close(loss(logits, targets), expected.mean(), check_dtype=False)
