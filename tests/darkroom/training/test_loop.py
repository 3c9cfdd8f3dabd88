"""The training loop: batches in parts, memory that is short, losses that are no numbers, gradients that are too long."""

import dataclasses

import numpy as np
import pytest
import torch
from torch import nn

from darkroom.augmentation.policy import Operation, Policy
from darkroom.networks.bfloat16 import has_bfloat16
from darkroom.system.errors import InputError
from darkroom.training.examples import Examples
from darkroom.training.hyperparameters import Settings
from darkroom.training.loop import fit
from darkroom.training.problem import Problem

SETTINGS = Settings(
    3, batch_size=10, optimizer="sgd", learning_rate=0.05, mixing=0.5, class_balance="weights", ema_decay=0.0, mixed_precision="off"
)


class Network(nn.Module):
    """A network without batch normalisation, whose forward passes can be disturbed."""

    def __init__(self, disturb=lambda number, images: None):
        super().__init__()
        torch.manual_seed(0)
        self.layers = nn.Sequential(nn.Conv2d(3, 4, 3, stride=2), nn.Tanh(), nn.Flatten(), nn.Linear(36, 3))
        self.disturb, self.passes = disturb, 0

    def forward(self, images):
        if self.training:
            self.passes += 1
            self.disturb(self.passes, images)
        return self.layers(images)


def problem(task="multiclass", num_images=22):
    generator = torch.Generator().manual_seed(1)
    pixels = torch.randint(0, 256, (num_images, 8, 8, 3), dtype=torch.uint8, generator=generator)
    targets = (torch.rand(num_images, 3, generator=generator) < 0.4).float() if task == "multilabel" else torch.arange(num_images) % 7 % 3
    policy = Policy(operations=(Operation(name="horizontal_flip", probability=0.5),))
    none = Examples(pixels[:0], targets[:0])
    return Problem(Examples(pixels, targets), none, np.zeros(0, np.int64), policy, ("a", "b", "c"), task, (0.5,) * 3, (0.3,) * 3)


def fitted(settings=SETTINGS, disturb=lambda number, images: None, task="multiclass", **options):
    network = Network(disturb)
    result = fit(network, problem(task), settings, **options)
    return result, torch.cat([value.flatten() for value in network.parameters()]).detach()


def too_large(error, most=3):
    def disturb(number, images):
        if len(images) > most:
            raise error

    return disturb


@pytest.mark.parametrize(("task", "loss"), [("multiclass", "focal"), ("multilabel", "asymmetric")])
def test_a_batch_in_parts_moves_the_weights_as_the_whole_batch_does(task, loss):
    settings = dataclasses.replace(SETTINGS, loss=loss, clip_norm=0.1)
    whole, in_parts = (fitted(dataclasses.replace(settings, accumulate=number), task=task)[1] for number in (1, 3))
    torch.testing.assert_close(in_parts, whole, rtol=0, atol=1e-5)
    assert not torch.equal(whole, fitted(dataclasses.replace(settings, clip_norm=0.0), task=task)[1])


def trained(known, **changes):
    """The weights after a training of three batches of all images."""
    network, settings = Network(), {"batch_size": 100, "mixing": 0.0, "label_smoothing": 0.1} | changes
    history = fit(network, known, dataclasses.replace(SETTINGS, **settings)).history
    return torch.cat([value.flatten() for value in network.parameters()]).detach(), [row["train_loss"] for row in history]


@pytest.mark.parametrize("task", ["multiclass", "multilabel"])
def test_a_training_with_weights_is_that_with_each_image_so_often(task):
    known, times = dataclasses.replace(problem(task), policy=Policy(operations=())), torch.arange(22) % 3
    rows = torch.arange(22).repeat_interleave(times)
    weighed, losses = trained(dataclasses.replace(known, image_weights=times / times.float().mean()))
    repeated, expected = trained(dataclasses.replace(known, train=known.train.at(rows)))
    torch.testing.assert_close(weighed, repeated, rtol=0, atol=1e-5)
    assert losses == pytest.approx(expected, rel=1e-5)
    assert (weighed - trained(known)[0]).abs().max() > 1e-3


@pytest.mark.parametrize("mixed", [{"mixing": 1.0}, {"cutmix": 1.0}])
def test_weights_count_in_mixed_batches_and_in_parts_of_them(mixed):
    known = dataclasses.replace(problem(), policy=Policy(operations=()))
    weighed = dataclasses.replace(known, image_weights=(torch.arange(22) % 3).float() / (torch.arange(22) % 3).float().mean())
    whole, in_parts = (trained(weighed, accumulate=number, **mixed)[0] for number in (1, 3))
    torch.testing.assert_close(in_parts, whole, rtol=0, atol=1e-5)
    assert (whole - trained(known, **mixed)[0]).abs().max() > 1e-3
    even = dataclasses.replace(known, image_weights=torch.ones(22))
    torch.testing.assert_close(trained(even, **mixed)[0], trained(known, **mixed)[0], rtol=0, atol=1e-6)


def test_a_mixed_image_counts_by_the_weights_of_both_labels():
    known = problem(num_images=2)
    only_first = dataclasses.replace(known, image_weights=torch.tensor([2.0, 0.0]), policy=Policy(operations=()))
    moved = []
    for label in (0, 1, 2):  # of the image that does not count
        train = Examples(known.train.pixels, torch.tensor([1, label]))
        moved.append(trained(dataclasses.replace(only_first, train=train), mixing=1.0, class_balance="none")[0])
    assert torch.equal(moved[0], moved[1]) and torch.equal(moved[0], moved[2])


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB"),
        RuntimeError(
            "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes."
        ),
        MemoryError(),
    ],
)
def test_short_memory_splits_the_batch_and_changes_nothing_else(error, capsys):
    whole, expected = fitted()
    split, weights = fitted(disturb=too_large(error))
    assert (whole.accumulate, split.accumulate) == (1, 4)
    assert [row["learning_rate"] for row in split.history] == [row["learning_rate"] for row in whole.history]
    assert [row["accumulate"] for row in split.history] == [4.0] * 3 and "accumulate" not in whole.history[0]
    torch.testing.assert_close(weights, expected, rtol=0, atol=1e-5)
    assert capsys.readouterr().out.count("memory was short") == 1


def test_a_resumed_training_splits_its_batches_as_before(tmp_path):
    def stop(epoch, row):
        if epoch == 1:
            raise KeyboardInterrupt

    short = too_large(MemoryError(), 5)
    with pytest.raises(KeyboardInterrupt):
        fitted(disturb=short, checkpoint=tmp_path, on_epoch=stop)
    resumed, weights = fitted(checkpoint=tmp_path)
    assert resumed.accumulate == 2
    assert torch.equal(weights, fitted(disturb=short)[1])


@pytest.mark.skipif(not has_bfloat16("cpu"), reason="the processor has no instructions for bfloat16")
def test_a_training_in_bfloat16_resumes_to_the_same_bits_and_its_depthwise_layers_learn_in_float32(tmp_path):
    settings, found = dataclasses.replace(SETTINGS, mixed_precision="bf16"), list[torch.dtype]()

    def note(layer, inputs, output):
        if layer.training:
            found.append(output.dtype)

    def trained(**options):
        network = Network()
        network.layers.insert(1, nn.Conv2d(4, 4, 1, groups=4))
        for layer in network.layers[:2]:
            layer.register_forward_hook(note)
        fit(network, problem(), settings, **options)
        return torch.cat([value.flatten() for value in network.parameters()]).detach()

    def stop(epoch, row):
        if epoch == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trained(checkpoint=tmp_path, on_epoch=stop)
    assert set(zip(found[::2], found[1::2], strict=True)) == {(torch.bfloat16, torch.float32)}
    assert torch.equal(trained(checkpoint=tmp_path), trained())


def test_memory_for_less_than_two_images_and_other_errors_end_the_training():
    with pytest.raises(InputError, match=r"^memory .*train\.side_px"):
        fitted(disturb=too_large(MemoryError(), 1))
    with pytest.raises(RuntimeError, match="shapes"):
        fitted(disturb=too_large(RuntimeError("shapes do not fit")))


def test_a_loss_that_is_no_number_names_the_batch_and_the_rate():
    def disturb(number, images):
        if number == 5:
            images.fill_(float("nan"))

    with pytest.raises(InputError, match=r"epoch 2, batch 2 of 3, at a rate of 0\.0276: set it to 0\.017, or train\.clip_norm to 1$"):
        fitted(dataclasses.replace(SETTINGS, warmup_epochs=0.5), disturb)
