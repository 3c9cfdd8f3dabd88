"""Removes channels: the weakest of each layer, until few enough multiply-adds remain."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
import torch_pruning as tp
from timm.layers.mlp import Mlp
from torch import Tensor, nn
from torchvision.ops.misc import MLP

from components.prune.config import Importance, Ranking
from darkroom.networks.cost import count_macs
from darkroom.networks.network import last_layer
from darkroom.system.errors import InputError

NUM_STEPS = 50
MAX_SHARE = 0.9  # of a layer's channels that may be removed
_IMPORTANCES = {
    "l1": lambda: tp.importance.GroupMagnitudeImportance(p=1),
    "l2": lambda: tp.importance.GroupMagnitudeImportance(p=2),
    "lamp": lambda: tp.importance.LAMPImportance(p=2),
}


def shrink(
    network: nn.Module,
    side_px: int,
    *,
    target_macs_ratio: float,
    importance: Importance,
    ranking: Ranking,
    round_to: int,
    name: str,
) -> None:
    """Removes channels, in place, until the target is met or none is left to remove; the last layer's outputs stay.

    The weights and the counted multiply-adds decide, never a measured time: equal weights lose equal channels.

    Args:
        network: On the CPU, in `eval` mode.
        side_px: Side of the images.
        target_macs_ratio: Share of the multiply-adds that may remain, 0 to 1.
        importance: What makes a channel weak: the norm of all weights that are removed with it, or that norm relative to
            the layer's stronger channels.
        ranking: Whether channels compete within their layer or with those of all layers.
        round_to: Remaining channels are a multiple of this.
        name: What the network is called in messages.

    Raises:
        InputError: Torch-Pruning can't follow this network's channels.

    Source:
        Fang et al. 2023, DepGraph: towards any structural pruning, https://arxiv.org/abs/2301.12900
    """
    example = torch.zeros(1, 3, side_px, side_px)
    positions = _positions(network, example)
    fixed = count_macs(network, side_px) - _layer_macs(positions)
    target = target_macs_ratio * (fixed + _layer_macs(positions))
    try:
        with _quiet():
            pruner = _pruner(network, example, importance, ranking, round_to)
            _remove_groups(pruner, until=lambda: fixed + _layer_macs(positions) <= target)
            network(example)
    except Exception as error:  # Torch-Pruning raises nearly anything where it can't trace a network
        raise InputError(
            f"prune can't remove channels from {name} ({type(error).__name__}: {error}): set prune.enabled to false, or "
            "choose another train.model"
        ) from error


def _remove_groups(pruner: tp.pruner.BasePruner, until: Callable[[], bool]) -> None:
    """Removes one group of dependent channels after the other, the weakest first, until the condition is met or none is left."""
    for _ in range(NUM_STEPS):
        for group in pruner.step(interactive=True):
            group.prune()
            if until():
                return


def automatic_round_to(network: nn.Module) -> int:
    """8, as vector instructions need it; less where the narrowest layer has few channels."""
    widths = [module.out_channels for module in network.modules() if isinstance(module, nn.Conv2d)]
    narrowest = min(widths, default=32)
    return 8 if narrowest >= 32 else 4 if narrowest >= 16 else 1


def _pruner(network: nn.Module, example: Tensor, importance: Importance, ranking: Ranking, round_to: int) -> tp.pruner.BasePruner:
    return tp.pruner.BasePruner(
        network,
        example,
        importance=_IMPORTANCES[importance](),
        global_pruning=ranking == "global",
        iterative_steps=NUM_STEPS,
        pruning_ratio=1.0,
        max_pruning_ratio=MAX_SHARE,
        round_to=round_to,
        ignored_layers=_kept_layers(network),
    )


def _kept_layers(network: nn.Module) -> list[nn.Module]:
    """The last layer; in a transformer all but the hidden layers of its blocks, since the tokens' width is built in."""
    kinds = (MLP, Mlp) if any(hasattr(module, "num_heads") for module in network.modules()) else (MLP,)  # ConvNeXt's width is no built-in
    blocks = [module for module in network.modules() if isinstance(module, kinds)]
    hidden = {next(layer for layer in block.modules() if isinstance(layer, nn.Linear)) for block in blocks}
    if not hidden:
        return [last_layer(network)[1]]
    outer = [module for module in network.modules() if isinstance(module, nn.MultiheadAttention)]
    return outer + [module for module in network.modules() if not list(module.children()) and module not in hidden]


def _positions(network: nn.Module, example: Tensor) -> dict[nn.Module, int]:
    """How often each convolution and linear layer uses each of its weights for one image."""
    found: dict[nn.Module, int] = {}

    def note(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        width = output.shape[1] if isinstance(module, nn.Conv2d) else output.shape[-1]
        found[module] = found.get(module, 0) + output.numel() // width

    layers = [module for module in network.modules() if isinstance(module, nn.Conv2d | nn.Linear)]
    hooks = [module.register_forward_hook(note) for module in layers]
    with torch.enable_grad():
        network(example)
    for hook in hooks:
        hook.remove()
    return found


def _layer_macs(positions: dict[nn.Module, int]) -> int:
    return sum(number * module.weight.numel() for module, number in positions.items())  # type: ignore[operator, misc]


@contextmanager
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Unwrapped parameters detected")
        warnings.filterwarnings("ignore", message="Pruning exceed the maximum iterative steps")
        yield
