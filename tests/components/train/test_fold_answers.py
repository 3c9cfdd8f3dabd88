"""The folds distilled: each training image has the answer of the network that had not learnt from it, and no other image has one."""

import pytest
import torch
from torch import nn

from components.train.config import TrainConfig
from components.train.cross_validation import held_out
from components.train.fold_answers import FoldAnswers
from components.train.sharing import fit_network
from darkroom import manifest, model
from darkroom.images import Images
from darkroom.preprocessing.recipe import Recipe
from darkroom.system.errors import InputError
from darkroom.training.hyperparameters import Settings
from darkroom.training.problem import read_problem
from tests.components.train.test_cross_validation import folded
from tests.components.train.test_train import run

pytestmark = pytest.mark.usefixtures("narrow_network", "no_pictures")
CONFIG = TrainConfig(distill_folds=0.5, distill_temperature=3.0)


class Constant(nn.Module):
    """A network that answers for every image with its number."""

    def __init__(self, number):
        super().__init__()
        self.number = nn.Parameter(torch.tensor(float(number)))

    def forward(self, images):
        return self.number.expand(len(images), 3)


def test_each_training_image_has_the_answer_of_the_fold_that_left_it_out(tmp_path):
    inputs = folded(tmp_path)
    table = manifest.read(inputs.examples)
    source = Images(inputs.images, inputs.augmented_images)
    kept = FoldAnswers(tmp_path)
    for fold in range(3):
        rows = held_out(table, fold)
        problem = read_problem(source, rows, inputs.policy, Recipe(8))
        kept.keep(fold, rows.where("validation"), Constant(fold), problem, Settings(1, device="cpu"))
    problem, folds = read_problem(source, table, inputs.policy, Recipe(8)), table.where("train").column("validation_fold")
    for answers in (kept, FoldAnswers(tmp_path)):  # also where a killed training had asked them
        found = answers.for_training(table, problem, CONFIG)
        assert found.logits.tolist() == [[float(fold)] * 3 for fold in folds]
        assert (found.share, found.temperature) == (0.5, 3.0)
    assert kept.for_training(table, problem, TrainConfig()) is None


@pytest.mark.parametrize(("settings", "num_folds"), [({}, 0), ({"model": "probe"}, 5)])
def test_there_must_be_folds_and_a_network_to_distill(settings, num_folds):
    with pytest.raises(InputError, match=r"train\.distill_folds"):
        TrainConfig(distill_folds=0.5, **settings).check_folds(num_folds)


@pytest.mark.slow
def test_a_distilled_training_resumes_with_the_answers_that_it_had(tmp_path, monkeypatch):
    inputs, calls, settings = folded(tmp_path), [], {"epochs": 2, "distill_folds": 0.5}

    def killed(*given, **named):
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return fit_network(*given, **named)

    undisturbed = run(inputs, tmp_path, **settings)
    card = model.read_card(tmp_path / "model")
    assert any(note["text"].startswith("the folds are distilled") for note in card.provenance["notes"])
    with monkeypatch.context() as patched:
        patched.setattr("components.train.network_training.fit_network", killed)
        with pytest.raises(KeyboardInterrupt):
            run(inputs, tmp_path, checkpoints=tmp_path / "checkpoints", **settings)
    assert run(inputs, tmp_path, checkpoints=tmp_path / "checkpoints", **settings) == undisturbed
    plain = run(inputs, tmp_path, epochs=2)
    assert {name: value for name, value in plain.items() if name.startswith("folds_")}.items() <= undisturbed.items()
    assert plain["train_loss"] != undisturbed["train_loss"]
