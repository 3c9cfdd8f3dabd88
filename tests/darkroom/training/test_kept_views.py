"""Views of the images behind the frozen layers: computed once, learnt from as the images themselves would be."""

import dataclasses

import numpy as np
import pytest
import torch

from darkroom.augmentation.policy import Operation, Policy
from darkroom.networks.network import build
from darkroom.training.batches import Normalise
from darkroom.training.examples import Examples
from darkroom.training.frozen_trunk import find_trunk
from darkroom.training.hyperparameters import Settings
from darkroom.training.kept_views import kept_views, megabytes
from darkroom.training.linear_start import start_linearly
from darkroom.training.loop import fit
from darkroom.training.problem import Problem
from darkroom.training.validation import logits_of

CPU = torch.device("cpu")
SIDE = 32
SETTINGS = Settings(
    3,
    batch_size=8,
    optimizer="sgd",
    learning_rate=0.05,
    frozen_share=0.5,
    kept_views=3,
    freeze_batch_norm=True,
    ema_decay=0.5,
    mixed_precision="off",
)


def network():
    torch.manual_seed(0)
    return build("small_cnn", 3, side_px=SIDE)


def problem(*operations):
    pixels = torch.randint(0, 256, (30, SIDE, SIDE, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    targets = torch.arange(30) % 3
    policy = Policy(operations=operations)
    train, validation = Examples(pixels[:21], targets[:21]), Examples(pixels[21:], targets[21:])
    return Problem(train, validation, np.arange(9), policy, ("a", "b", "c"), "multiclass", (0.4,) * 3, (0.3,) * 3)


FLIP = Operation(name="horizontal_flip", probability=1.0)


def test_the_first_view_is_the_image_and_the_others_are_augmented():
    made, known = network(), problem(FLIP)
    trunk, normalise = find_trunk(made, SIDE, 0.5), Normalise(known.mean, known.std, CPU)
    pixels = known.train.pixels.permute(0, 3, 1, 2) / 255
    with kept_views(made, known, SETTINGS) as behind:
        features = behind.train.features.float().permute(0, 1, 4, 2, 3)
        assert behind.train.shape == (3, *features.shape[3:], features.shape[2])
        assert len(behind.validation.features) == 1
    for view, expected in enumerate((pixels, pixels.flip(3), pixels.flip(3))):
        torch.testing.assert_close(features[view], trunk(normalise(expected)), rtol=2e-3, atol=1e-3)


def test_views_are_chosen_by_random_numbers_and_are_the_same_each_time():
    noise = Operation(name="noise", probability=1.0, low=0.1, high=0.2)
    with kept_views(network(), problem(noise), SETTINGS) as one, kept_views(network(), problem(noise), SETTINGS) as other:
        assert torch.equal(one.train.features, other.train.features)
        assert not torch.equal(one.train.features[1], one.train.features[2])
        draws = torch.zeros(3, 1, 1)
        draws[:, 0, 0] = torch.tensor([0.0, 0.5, 0.999])
        found = one.train.augmented(torch.tensor([4, 4, 7]), draws, SIDE, problem().policy, None, CPU)
        expected = torch.stack([one.train.features[0, 4], one.train.features[1, 4], one.train.features[2, 7]])
        assert torch.equal(found, expected.permute(0, 3, 1, 2).float())


def trained(settings, **options):
    made, known = network(), problem()
    with kept_views(made, known, settings) as behind:
        result = fit(made, behind, settings, **options)
    return result, made, known


def test_learning_from_views_without_augmentation_is_learning_from_the_images():
    result, made, known = trained(SETTINGS)
    expected, other, _ = trained(dataclasses.replace(SETTINGS, kept_views=0))
    for key, value in made.state_dict().items():
        torch.testing.assert_close(value, other.state_dict()[key], rtol=0, atol=5e-3)
    assert [row["train_loss"] for row in result.history] == pytest.approx([row["train_loss"] for row in expected.history], abs=5e-3)
    frozen = network().state_dict()
    assert all(torch.equal(made.state_dict()[key], frozen[key]) for key in list(frozen)[:2])
    assert not torch.equal(made.state_dict()[list(frozen)[-1]], frozen[list(frozen)[-1]])
    logits = logits_of(made, known.validation, 3, Normalise(known.mean, known.std, CPU), None)
    loss = torch.nn.functional.cross_entropy(logits, known.validation.targets, label_smoothing=SETTINGS.label_smoothing)
    assert float(loss) == pytest.approx(result.history[result.best_epoch - 1]["validation_loss"], abs=2e-3)


@pytest.mark.parametrize("stopped", [1, 2])
def test_a_resumed_training_computes_the_same_views(stopped, tmp_path):
    def stop(epoch, row):
        if epoch == stopped:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trained(SETTINGS, checkpoint=tmp_path, on_epoch=stop)
    _, resumed, _ = trained(SETTINGS, checkpoint=tmp_path)
    _, undisturbed, _ = trained(SETTINGS)
    assert all(torch.equal(value, undisturbed.state_dict()[key]) for key, value in resumed.state_dict().items())


def test_without_validation_images_views_are_learnt_from_as_well():
    made, known = network(), problem(FLIP)
    known = dataclasses.replace(known, validation=known.validation.at(torch.arange(0)), validation_units=np.zeros(0, np.int64))
    with kept_views(made, known, SETTINGS) as behind:
        assert start_linearly(made, behind, SETTINGS)
        result = fit(made, behind, SETTINGS)
    assert result.best_epoch == 3


def test_images_stay_where_nothing_is_frozen_or_no_view_is_kept():
    known = problem()
    for settings in (dataclasses.replace(SETTINGS, kept_views=0), dataclasses.replace(SETTINGS, frozen_share=0.0)):
        with kept_views(network(), known, settings) as behind:
            assert behind is known
    assert megabytes(1024, 4, 1024) == 8
