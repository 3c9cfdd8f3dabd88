"""The last layer's start: a linear model on what it reads."""

import dataclasses

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from darkroom.augmentation.policy import Policy
from darkroom.networks.network import build, last_layer
from darkroom.training.batches import Normalise
from darkroom.training.examples import Examples
from darkroom.training.hyperparameters import Settings
from darkroom.training.kept_views import kept_views
from darkroom.training.linear_start import start_linearly
from darkroom.training.problem import Problem
from darkroom.training.validation import logits_of

SIDE, CPU = 32, torch.device("cpu")
SETTINGS = Settings(1, class_balance="none", monitor="accuracy")


def problem(task="multiclass", num_validation=0):
    """Images of three brightnesses, with noise."""
    generator = torch.Generator().manual_seed(2)
    targets = torch.arange(60) % 3
    pixels = torch.randint(0, 120, (60, SIDE, SIDE, 3), generator=generator) + 60 * targets[:, None, None, None]
    if task == "multilabel":
        targets = torch.stack([targets > 0, targets > 1, targets == 1], 1).float()
    train, validation = (
        Examples(pixels[rows].to(torch.uint8), targets[rows]) for rows in (slice(0, 60 - num_validation), slice(60 - num_validation, 60))
    )
    units = np.arange(num_validation)
    return Problem(train, validation, units, Policy(operations=()), ("a", "b", "c"), task, (0.4,) * 3, (0.3,) * 3)


def network(name="small_cnn"):
    torch.manual_seed(0)
    return build(name, 3, side_px=SIDE)


def answers(made, known, inputs):
    return logits_of(made.eval(), inputs, 3, Normalise(known.mean, known.std, CPU), None)


def test_the_last_layer_becomes_a_logistic_regression_on_its_features():
    made, known, read = network(), problem(), []
    layer = last_layer(made)[1]
    trunk = {key: value.clone() for key, value in made.state_dict().items() if "running" in key or value.ndim == 4}
    assert start_linearly(made, known, SETTINGS)
    assert all(torch.equal(value, made.state_dict()[key]) for key, value in trunk.items())
    layer.register_forward_pre_hook(lambda _, given: read.append(given[0]))
    logits = answers(made, known, known.train)
    vectors = torch.cat(read).numpy()
    vectors /= np.sqrt(np.square(vectors).sum(1).mean())
    reference = LogisticRegression(C=10, max_iter=5000, tol=1e-8).fit(vectors, known.train.targets)  # without validation 0.1 is taken
    np.testing.assert_allclose(logits.softmax(1).detach(), reference.predict_proba(vectors), atol=2e-3)


@pytest.mark.parametrize("task", ["multiclass", "multilabel"])
def test_it_starts_better_than_random_weights_also_behind_frozen_layers(task):
    made, known = network(), problem(task, 12)
    with kept_views(made, known, Settings(1, frozen_share=0.5, kept_views=2, monitor="f1_macro")) as behind:
        assert start_linearly(made, behind, SETTINGS if task == "multiclass" else Settings(1, monitor="f1_macro"))
    y_pred = answers(made, known, known.validation)
    right = (y_pred > 0) == (known.validation.targets > 0) if task == "multilabel" else y_pred.argmax(1) == known.validation.targets
    assert right.float().mean() > 0.9


def test_a_network_that_ends_in_a_convolution_is_left_as_it_is():
    made = network("squeezenet1_1")
    before = {key: value.clone() for key, value in made.state_dict().items()}
    assert not start_linearly(made, problem(), SETTINGS)
    assert all(torch.equal(value, before[key]) for key, value in made.state_dict().items())


def test_the_start_counts_images_by_their_weights():
    made, read, known, weights = network(), [], problem(), torch.arange(60).float() % 7
    known.train.targets[::4] = (known.train.targets[::4] + 1) % 3  # so that no plane tells the classes apart
    weights /= weights.mean()
    assert start_linearly(made, dataclasses.replace(known, image_weights=weights), SETTINGS)
    last_layer(made)[1].register_forward_pre_hook(lambda _, given: read.append(given[0]))
    found = answers(made, known, known.train).softmax(1)
    vectors = torch.cat(read).numpy()
    vectors /= np.sqrt(np.square(vectors).sum(1).mean())
    reference = LogisticRegression(C=10, max_iter=5000, tol=1e-8).fit(vectors, known.train.targets, sample_weight=weights)
    np.testing.assert_allclose(found.detach(), reference.predict_proba(vectors), atol=2e-3)
