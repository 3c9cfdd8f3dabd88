"""`prune`: makes a trained model smaller and faster, fine-tunes it, and measures the loss of accuracy and the gain in speed."""

import copy
import dataclasses
import shutil
from pathlib import Path

import torch
from torch import nn

from components.prune.batch_norm import recalibrate
from components.prune.channels import automatic_round_to, shrink
from components.prune.config import PruneConfig
from components.prune.limits import beside_floor, check_limits, hopeless
from components.prune.recovery import Recovery, choose_recovery, thinned
from components.prune.sensitivity import measure_inputs
from darkroom import manifest
from darkroom.images import Images
from darkroom.metrics.latency import compare_latency
from darkroom.model import CARD, GRAPH, ModelCard, read_card
from darkroom.networks.cost import count_macs, count_parameters
from darkroom.networks.export import load_network, save_model
from darkroom.networks.families import parts_of
from darkroom.networks.mirrored import MirroredMean
from darkroom.system.config import dump
from darkroom.system.files import whole
from darkroom.training import batches, devices, losses, validation
from darkroom.training.epochs import OnEpoch, nothing
from darkroom.training.hyperparameters import Settings
from darkroom.training.known_answers import KnownAnswers
from darkroom.training.loop import fit
from darkroom.training.problem import Problem, read_problem
from darkroom.training.sample_weights import counted
from darkroom.training.trainer import Fitted


def prune(
    images: Path,
    augmented_images: Path,
    examples: Path,
    policy: Path,
    model: Path,
    pruned_model: Path,
    *,
    config: PruneConfig,
    checkpoints: Path | None = None,
    store: Path | None = None,
    on_epoch: OnEpoch = nothing,
) -> dict[str, float]:
    """Removes channels down to a target, fine-tunes with the training's own recipe, and compares both models.

    Where removing them costs so much that fine-tuning can't make up for it, the full model is handed on instead.

    Which channels go, and the weights, follow from the inputs and the settings alone; only the card's latencies, and
    with them the verdict, depend on the machine.

    Args:
        images: Packed images.
        augmented_images: Packed copies, for training only.
        examples: Table of images with their `split`, and the copies.
        policy: What is done to training images on the fly.
        model: The full model's folder.
        pruned_model: Where the pruned model's folder is written; its card says under `pruning` whether the limits are met.
        config: Target, fine-tuning and limits.
        checkpoints: A folder for unfinished work, from which fine-tuning resumes after a kill; the caller removes it.
        store: Where decoded images are kept from run to run if they are too many for memory, see `darkroom.pixel_store`; or none.
        on_epoch: Called after each epoch of fine-tuning with its number, from 1, and its row of the history.

    Returns:
        `macs_ratio`, `parameters_ratio`, `size_ratio`, `latency_ratio`, `latency_ms_before` and `_after`, the monitored
        measure on the validation images as `<measure>_before` and `_after`, and `met`: 1 or 0.

    Raises:
        InputError: The architecture's channels can't be removed.
    """
    if not config.enabled:
        return _copy(model, pruned_model, "prune.enabled is false")
    if parts_of(architecture := read_card(model).architecture):
        return _copy(model, pruned_model, f"{architecture} is learnt on a frozen backbone, whose channels all stay")
    full, card = load_network(model)
    chosen = choose_recovery(card, config)
    table, column = manifest.read(examples), chosen.settings.weight_column
    table = thinned(counted(table, column), chosen.images_share, config.seed)
    with devices.threads(card.provenance["settings"].get("num_threads", "auto")), whole(pruned_model) as draft:
        problem = read_problem(Images(images, augmented_images, store=store), table, policy, card.recipe, column)
        problem = dataclasses.replace(problem, mean=card.mean, std=card.std)
        network = _shrink(full, card, problem, chosen, config)
        before, early = (_validated(one, problem, chosen.settings) for one in (full, network))
        if why := hopeless(before, early, chosen.settings.monitor, config.max_drop, chosen.max_gain):
            return _hand_on(model, draft, why)
        answers = _answers(full, problem, chosen, config.temperature)
        fitted = fit(network, problem, chosen.settings, checkpoint=checkpoints, on_epoch=on_epoch, answers=answers)
        card = dataclasses.replace(card, thresholds=_thresholds(network, card, problem, fitted, chosen.settings))
        save_model(draft, network, card)
        costs = _measure(full, network, model, draft, card.side_px, config)
        after = fitted.history[fitted.best_epoch - 1]
        floor, provenance = card.provenance.get("floor", {}), beside_floor(card.provenance, after)
        verdict = check_limits(costs, before, after, chosen.settings.monitor, config.max_drop, config.max_latency_ratio, floor)
        done = {"epochs": chosen.settings.epochs, "num_images": len(problem.train), "distillation": chosen.distillation}
        pruning = {"settings": dump(config), **done, **verdict.measures, "met": verdict.met, "reason": verdict.reason}
        dataclasses.replace(card, provenance=provenance, pruning=pruning).write(draft / CARD)
    print(verdict.reason, flush=True)
    return {**verdict.measures, "met": float(verdict.met)}


def _shrink(full: nn.Module, card: ModelCard, problem: Problem, chosen: Recovery, config: PruneConfig) -> nn.Module:
    """A copy of the network with fewer channels, and with batch statistics of these."""
    network = copy.deepcopy(full)
    normalise = batches.Normalise(problem.mean, problem.std, torch.device("cpu"))
    inputs = None
    if chosen.importance == "fisher":
        loss = losses.make_loss(problem.task, problem.train.targets, len(problem.classes), chosen.settings, problem.image_weights)
        inputs = measure_inputs(network, problem.train, loss, normalise, config.importance_images)
    round_to = automatic_round_to(network) if config.round_to == "auto" else config.round_to
    shrink(
        network, card.side_px, target_macs_ratio=chosen.target_macs_ratio, importance=chosen.importance, ranking=chosen.ranking,
        round_to=round_to, name=card.architecture, inputs=inputs,
    )  # fmt: skip
    if not chosen.settings.freeze_batch_norm:  # else the layers behind expect the statistics that the training kept
        recalibrate(network, problem.train, normalise)
    macs = count_macs(network, card.side_px), count_macs(full, card.side_px)
    print(f"{macs[0] / 1e6:,.1f} of {macs[1] / 1e6:,.1f} million multiply-adds remain", flush=True)
    return network


def _validated(network: nn.Module, problem: Problem, settings: Settings) -> dict[str, float]:
    """A network's measures on the validation images, each under a name that begins with `validation_`."""
    loss = losses.make_loss(problem.task, problem.train.targets, len(problem.classes), settings, problem.image_weights)
    normalise = batches.Normalise(problem.mean, problem.std, torch.device("cpu"))
    return validation.validate(network, problem, problem.validation, loss, normalise, None, settings.threshold_prior_images).row


def _thresholds(network: nn.Module, card: ModelCard, problem: Problem, fitted: Fitted, settings: Settings) -> tuple[float, ...]:
    """Those of the fine-tuned network, which answers as the full one does: perhaps with the mean for an image and its mirror image."""
    if not card.mirrored:
        return fitted.thresholds
    logits = validation.logits_without_training(MirroredMean(network), problem.validation, problem, settings)
    return validation.tuned_thresholds(logits, problem, settings.threshold_prior_images)


def _answers(full: nn.Module, problem: Problem, chosen: Recovery, temperature: float) -> KnownAnswers | None:
    """The full model's answers for the training images as they are; none where they are not learnt."""
    if not chosen.distillation:
        return None
    logits = validation.logits_without_training(full, problem.train, problem, chosen.settings)
    return KnownAnswers(logits, problem.task, chosen.distillation, temperature)


def _measure(full: nn.Module, network: nn.Module, model: Path, pruned_model: Path, side_px: int, config: PruneConfig) -> dict[str, float]:
    time = compare_latency(model, pruned_model, num_rounds=config.latency_rounds, num_threads=config.latency_threads)
    return {
        "macs_ratio": count_macs(network, side_px) / count_macs(full, side_px),
        "parameters_ratio": count_parameters(network) / count_parameters(full),
        "size_ratio": (pruned_model / GRAPH).stat().st_size / (model / GRAPH).stat().st_size,
        "latency_ms_before": time.before_ms,
        "latency_ms_after": time.after_ms,
        "latency_ratio": time.ratio,
    }


def _copy(model: Path, pruned_model: Path, why: str) -> dict[str, float]:
    with whole(pruned_model) as draft:
        return _hand_on(model, draft, why)


def _hand_on(model: Path, draft: Path, why: str) -> dict[str, float]:
    """Copies the full model, and notes in its card why nothing was pruned."""
    shutil.copytree(model, draft)
    pruning = {"met": False, "reason": f"nothing was pruned: {why}"}
    dataclasses.replace(read_card(model), pruning=pruning).write(draft / CARD)
    print(pruning["reason"], flush=True)
    return {"macs_ratio": 1.0, "parameters_ratio": 1.0, "size_ratio": 1.0, "latency_ratio": 1.0, "met": 0.0}
