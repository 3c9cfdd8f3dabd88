"""The last layer of a network with given weights: fitted as a linear model on the network's own features before all else is trained.

From random weights it would disturb, in its first steps, what the layers before it have learnt.

Source: Kumar et al. 2022, "Fine-Tuning can Distort Pretrained Features and Underperform Out-of-Distribution".
"""

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from darkroom.networks.network import last_layer
from darkroom.training import devices, validation
from darkroom.training.batches import Normalise
from darkroom.training.classical import Vectors
from darkroom.training.examples import Inputs
from darkroom.training.heads import VectorProblem, example_weights, fit_best
from darkroom.training.hyperparameters import Settings
from darkroom.training.linear import Floats
from darkroom.training.problem import Problem

MAX_IMAGES = 20_000  # that the layer is fitted on, and as many that choose the strength of its regularization


def start_linearly(network: nn.Module, problem: Problem, settings: Settings) -> bool:
    """Gives the last layer the weights of a logistic regression on what it reads.

    Args:
        network: On the CPU, where it is left; is changed.
        problem: What is to be learnt.
        settings: How: balance of the classes, and the measure that chooses the regularization.

    Returns:
        Whether it did so: not where the last layer is none that a linear model could be.
    """
    layer = last_layer(network)[1]
    if not isinstance(layer, nn.Linear) or layer.bias is None:
        return False
    train, validating = (_evenly(inputs) for inputs in (problem.train, problem.validation))
    vectors = _read_by(layer, network, problem.train, train, problem, settings)
    scale = float(np.sqrt(np.square(vectors).sum(1).mean())) or 1.0  # of a mean length of 1, as embeddings have
    unseen = _read_by(layer, network, problem.validation, validating, problem, settings)
    units, counting = problem.validation_units[validating.numpy()], problem.image_weights
    known = VectorProblem(
        _vectors(vectors / scale, problem.train.targets[train], problem, settings, None if counting is None else counting[train].numpy()),
        _vectors(unseen / scale, problem.validation.targets[validating], problem, settings),
        tuple(map(str, validating.tolist())),
        np.unique(units, return_inverse=True)[1].astype(np.int64),
        problem.classes,
        problem.task,
    )
    prior = settings.threshold_prior_images
    fitted = fit_best("logistic_regression", known, {"regularization": "auto"}, settings.monitor, prior, settings.seed).head.linear
    assert fitted is not None
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(fitted.weight / scale))
        layer.bias.copy_(torch.from_numpy(np.ascontiguousarray(fitted.bias)))
    return True


def _evenly(inputs: Inputs) -> Tensor:
    """Numbers of at most `MAX_IMAGES` images, evenly spaced."""
    return torch.linspace(0, len(inputs) - 1, min(len(inputs), MAX_IMAGES)).round().to(torch.int64)


@torch.no_grad()
def _read_by(layer: nn.Linear, network: nn.Module, inputs: Inputs, chosen: Tensor, problem: Problem, settings: Settings) -> Floats:
    """What a network's last layer reads of some images as they are, `(N, D) float32`."""
    device, read = devices.choose(settings.device), [torch.zeros(0, layer.in_features)]
    handle = layer.register_forward_pre_hook(lambda _, given: read.append(given[0].float().cpu()))
    normalise = Normalise(problem.mean, problem.std, device)
    network.to(device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
    for rows in inputs.ahead(torch.split(chosen, validation.BATCH_SIZE) if len(chosen) else ()):
        network(inputs.plain(rows, normalise, device))
    network.to("cpu", memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    handle.remove()
    found: Floats = torch.cat(read).numpy()
    return found


def _vectors(
    vectors: npt.NDArray[np.float32], targets: Tensor, problem: Problem, settings: Settings, counting: Floats | None = None
) -> Vectors:
    y_true = targets.to(torch.int64).cpu().numpy()
    weights = example_weights(problem.task, y_true, len(problem.classes), settings.class_balance, counting)
    return Vectors(vectors, y_true, weights)
