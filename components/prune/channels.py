"""Removes channels: the weakest, until few enough multiply-adds remain."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch_pruning as tp
from timm.layers.mlp import Mlp
from torch import Tensor, nn
from torchvision.ops.misc import MLP

from components.prune.config import Importance, Ranking
from components.prune.sensitivity import LayerInputs, mixes_channels, stand_in
from darkroom.networks.cost import count_macs
from darkroom.networks.network import last_layer
from darkroom.system.errors import InputError

NUM_STEPS = 50
MAX_SHARE = 0.9  # of a layer's channels that may be removed
_READERS = (tp.prune_conv_in_channels, tp.prune_linear_in_channels)
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
    inputs: dict[nn.Module, LayerInputs] | None = None,
) -> None:
    """Removes channels, in place, until the target is met or none is left to remove; the last layer's outputs stay.

    The weights and the counted multiply-adds decide, never a measured time: equal weights lose equal channels.

    Args:
        network: On the CPU, in `eval` mode.
        side_px: Side of the images.
        target_macs_ratio: Share of the multiply-adds that may remain, 0 to 1.
        importance: What makes a channel weak: what the loss would change without it, by the multiply-adds that go with it; or the
            norm of all weights that are removed with it, or that norm relative to the layer's stronger channels.
        ranking: Whether channels compete within their layer or with those of all layers.
        round_to: Remaining channels are a multiple of this.
        name: What the network is called in messages.
        inputs: What the network's layers read, as `measure_inputs` gives it: `fisher` goes by it, and the weights of remaining channels
            then stand in for the removed ones. Is used up.

    Raises:
        InputError: Torch-Pruning can't follow this network's channels.

    Source:
        Fang et al. 2023, DepGraph: towards any structural pruning, https://arxiv.org/abs/2301.12900
    """
    example = torch.zeros(1, 3, side_px, side_px)
    positions = _positions(network, example)
    fixed = count_macs(network, side_px) - _layer_macs(positions)
    target = target_macs_ratio * (fixed + _layer_macs(positions))
    read = {} if inputs is None else inputs
    measure = _Fisher(read, positions) if importance == "fisher" else _IMPORTANCES[importance]()
    try:
        with _quiet():
            pruner = _pruner(network, example, measure, ranking, round_to)
            _remove_groups(pruner, read, until=lambda: fixed + _layer_macs(positions) <= target)
            network(example)
    except Exception as error:  # Torch-Pruning raises nearly anything where it can't trace a network
        raise InputError(
            f"prune can't remove channels from {name} ({type(error).__name__}: {error}): set prune.enabled to false, or "
            "choose another train.model"
        ) from error


class _Fisher:
    """What the loss would change without a channel, by the multiply-adds that go with it: larger is more important.

    Source:
        Liu et al. 2021, Group Fisher pruning for practical network compression, https://arxiv.org/abs/2108.00708
    """

    def __init__(self, inputs: dict[nn.Module, LayerInputs], positions: dict[nn.Module, int]) -> None:
        self._inputs, self._positions = inputs, positions

    def __call__(self, group: tp.Group) -> Tensor | None:
        """Maps a group of C dependent channels to `(C,)`; none where it is not known, and the channels stay."""
        number = len(group[0].idxs)
        readers = [(self._inputs[layer], item) for item in group if (layer := _reader(item)) is not None and layer in self._inputs]
        if not readers:
            return None
        slopes = torch.zeros(len(readers[0][0].slopes), number)
        for read, item in readers:
            slopes.index_add_(1, torch.tensor(item.root_idxs), read.slopes[:, item.idxs])
        layers = {item.dep.target.module for item in group} & self._positions.keys()
        macs: int = sum(self._positions[layer] * layer.weight.numel() for layer in layers)  # whole numbers: in any order the same
        return slopes.square().mean(0) * (number / macs)


def _reader(item: Any) -> nn.Linear | nn.Conv2d | None:
    """The layer whose input channels a member of a group is, or none."""
    module: nn.Linear | nn.Conv2d = item.dep.target.module
    return module if item.dep.handler in _READERS and mixes_channels(module) else None


def _remove_groups(pruner: tp.pruner.BasePruner, inputs: dict[nn.Module, LayerInputs], until: Callable[[], bool]) -> None:
    """Removes one group of dependent channels after the other, the weakest first, until the condition is met or none is left."""
    for _ in range(NUM_STEPS):
        for group in pruner.step(interactive=True):
            for item in group:
                if (layer := _reader(item)) is not None and layer in inputs:
                    removed = torch.tensor(sorted(set(item.idxs)))
                    stand_in(layer, inputs[layer], removed)
                    inputs[layer] = inputs[layer].without(removed)
            group.prune()
            if until():
                return


def automatic_round_to(network: nn.Module) -> int:
    """8, as vector instructions need it; less where the narrowest layer has few channels."""
    widths = [module.out_channels for module in network.modules() if isinstance(module, nn.Conv2d)]
    narrowest = min(widths, default=32)
    return 8 if narrowest >= 32 else 4 if narrowest >= 16 else 1


def _pruner(
    network: nn.Module, example: Tensor, importance: Callable[[tp.Group], Tensor | None], ranking: Ranking, round_to: int
) -> tp.pruner.BasePruner:
    return tp.pruner.BasePruner(
        network,
        example,
        importance=importance,
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
