"""How many processes train a network together, and the training by as many."""

import dataclasses
from pathlib import Path

import torch
from torch import nn

from components.train.config import TrainConfig
from darkroom.system.cores import num_cores
from darkroom.system.errors import InputError
from darkroom.training import batches, devices
from darkroom.training.deadline import Deadline
from darkroom.training.epochs import OnEpoch, nothing
from darkroom.training.handover import Work
from darkroom.training.hyperparameters import Settings
from darkroom.training.known_answers import KnownAnswers
from darkroom.training.loop import fit
from darkroom.training.problem import Problem
from darkroom.training.trainer import Fitted


def gpus_used(config: TrainConfig) -> int:
    """How many GPUs a training uses, each in a process of its own; 0 on a CPU."""
    device = devices.choose(config.device)
    available = torch.cuda.device_count() if device.type == "cuda" else 0
    return available if config.num_processes == "auto" else min(available, config.num_processes)


def num_processes(config: TrainConfig, num_images: int, batch_size: int) -> int:
    """How many processes train together on each node.

    Args:
        config: The settings as given.
        num_images: Training images.
        batch_size: Images a step.

    Raises:
        InputError: More are asked for than there are GPUs, or images in the parts of a batch.
    """
    most = batches.smallest_size(num_images, batch_size) // config.accumulate // config.num_nodes
    gpus = gpus_used(config)
    if config.num_processes == "auto" and most:
        return min(max(1, gpus), most)
    asked = f"train.num_processes is {config.num_processes}" + (f" and train.num_nodes {config.num_nodes}" if config.num_nodes > 1 else "")
    if config.num_processes == "auto" or config.num_processes > most:
        share = batches.smallest_size(num_images, batch_size) // config.accumulate
        raise InputError(f"{asked}, and a batch, or each of its parts (train.accumulate), has but {share} images", "lower it")
    if gpus and config.num_processes > torch.cuda.device_count():
        raise InputError(f"{asked}, and there are {gpus} GPUs", "lower it, or set it to auto")
    return config.num_processes


def fit_network(
    network: nn.Module,
    problem: Problem,
    settings: Settings,
    architecture: str,
    config: TrainConfig,
    checkpoint: Path | None = None,
    on_epoch: OnEpoch = nothing,
    deadline: Deadline | None = None,
    answers: KnownAnswers | None = None,
) -> Fitted:
    """Trains a network as `darkroom.training.loop.fit` does, in as many processes as the settings say.

    Args:
        network: Maps normalised images to logits; is changed.
        problem: What is to be learnt.
        settings: How.
        architecture: The network's, as a model's card has it.
        config: The settings as given.
        checkpoint: A folder where every epoch is kept until the end, or none.
        on_epoch: Called with each epoch's number, from 1, and its row of the history.
        deadline: When the step has to be done, or none.
        answers: Of other networks for the training images, learnt beside the labels, or none.

    Raises:
        InputError: So many processes can't train together, or not here.
    """
    number = 1 if is_alone(config) else num_processes(config, len(problem.train), settings.batch_size)
    if number * config.num_nodes == 1:
        return fit(network, problem, settings, checkpoint=checkpoint, on_epoch=on_epoch, deadline=deadline, answers=answers)
    from darkroom.training.launch import fit_together  # torch's launcher takes half a second

    cores = num_cores() if config.num_threads == "auto" else config.num_threads
    print(f"{number * config.num_nodes} processes share each batch of {settings.batch_size} images", flush=True)
    weights, threads = network.state_dict(), max(1, cores // number)
    work = Work(
        architecture, config.dropout, weights, problem, settings, threads, checkpoint=checkpoint, deadline=deadline, answers=answers
    )
    if config.num_nodes == 1:
        return fit_together(network, work, number, on_epoch)
    from darkroom.runtime.train_job import launcher, on_volume, shared_folder  # Kubernetes's client takes a second

    launch = launcher(config.num_nodes, number)
    work = dataclasses.replace(work, checkpoint=checkpoint if checkpoint and on_volume(checkpoint) else None)
    return fit_together(network, work, number * config.num_nodes, on_epoch, launch, shared_folder())


def is_alone(config: TrainConfig) -> bool:
    """Whether one process trains, whatever the machine."""
    return config.num_nodes == 1 and (config.num_processes == 1 or (config.num_processes == "auto" and gpus_used(config) < 2))
