"""The training without labels: epoch after epoch, with a checkpoint after each, and resumption after a kill."""

import math
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from components.pretrain.config import PretrainConfig
from darkroom.augmentation.draws import draw
from darkroom.augmentation.policy import Policy
from darkroom.system.config import dump
from darkroom.system.errors import InputError
from darkroom.training import batches, defaults, micro_batches
from darkroom.training.checkpoint import load, save
from darkroom.training.epochs import OnEpoch
from darkroom.training.examples import Inputs
from darkroom.training.optimizers import make_optimizer, rate_factor
from darkroom.training.self_supervised import nt_xent, vicreg


def projector(num_features: int, projection_dim: int) -> nn.Module:
    """What stands between a network's features and the loss, so that the features keep what views of an image differ in."""
    hidden = (nn.Linear(num_features, projection_dim, bias=False), nn.BatchNorm1d(projection_dim), nn.ReLU())
    return nn.Sequential(*hidden, nn.Linear(projection_dim, projection_dim, bias=False))


class Learner:
    """The state of a training without labels.

    Args:
        network: A trunk and its projector, on the device; is changed.
        images: To learn from; their targets are not read.
        policy: What makes views of them.
        normalise: Maps images in 0..1 to the network's inputs.
        config: How.
        device: Where the network is.
        in_half: Whether bfloat16 is computed in.
    """

    def __init__(
        self,
        network: nn.Module,
        images: Inputs,
        policy: Policy,
        normalise: batches.Normalise,
        config: PretrainConfig,
        device: torch.device,
        *,
        in_half: bool = False,
    ) -> None:
        self.network, self.images, self.policy, self.normalise = network, images, policy, normalise
        self.config, self.device, self.in_half = config, device, in_half
        self.optimizer = make_optimizer(
            network, "adamw", learning_rate=config.learning_rate, weight_decay=config.weight_decay, momentum=0.0
        )
        self.history = list[dict[str, float]]()

    def run(self, checkpoints: Path | None, on_epoch: OnEpoch) -> None:
        """Trains all epochs that are left.

        Args:
            checkpoints: A folder where every epoch is kept until the end, and from which a killed training resumes; or none.
            on_epoch: Called with each epoch's number, from 1, and its row; after a resumption also for the epochs before it.

        Raises:
            InputError: The loss has left the finite numbers, or memory is short.
        """
        short = {"precision": str(torch.bfloat16)} if self.in_half else {}
        meaning = {"config": dump(self.config), "images": [len(self.images), *self.images.shape], **short}
        if checkpoints and (state := load(checkpoints, meaning)):
            self._restore(state)
            print(f"resuming after epoch {len(self.history)}/{self.config.epochs}, which an earlier run had finished", flush=True)
            for number, row in enumerate(self.history, start=1):
                on_epoch(number, row)
        while len(self.history) < self.config.epochs:
            with torch.random.fork_rng(devices=[self.device] if self.device.type == "cuda" else []):
                row = self._run_epoch()
            self.history.append(row)
            if checkpoints:
                save(checkpoints, {"meaning": meaning, **self._state()})
            print(f"epoch {row['epoch']:.0f}/{self.config.epochs}  loss {row['loss']:.4f}", flush=True)
            on_epoch(len(self.history), row)

    def _run_epoch(self) -> dict[str, float]:
        """Trains one epoch; all that is random depends on the seed and the epoch's number alone."""
        epoch, config = len(self.history), self.config
        seeds = batches.seeds_of(config.seed, epoch)
        shuffled = torch.randperm(len(self.images), generator=torch.Generator().manual_seed(seeds[0]))
        order = shuffled.tensor_split(max(1, len(shuffled) // config.batch_size))
        drawing = torch.Generator().manual_seed(seeds[1])
        torch.manual_seed(seeds[2])  # for stochastic depth, which knows no generator
        self.network.train()
        warmup, rate, total = defaults.warmup_epochs(config.epochs), 0.0, 0.0
        for number, rows in enumerate(self.images.ahead(order)):
            rate = config.learning_rate * rate_factor("cosine", epoch + (number + 1) / len(order), config.epochs, warmup)
            total += self._step(rows, rate, drawing) * len(rows)
            if not math.isfinite(total):
                where = f"epoch {epoch + 1}, batch {number + 1} of {len(order)}"
                problem = f"pretrain.learning_rate is {config.learning_rate:g}, and the loss left the finite numbers in {where}"
                raise InputError(problem, f"set it to {config.learning_rate / 3:.2g}")
        return {"epoch": float(epoch + 1), "loss": total / len(shuffled), "learning_rate": rate}

    def _step(self, rows: Tensor, rate: float, drawing: torch.Generator) -> float:
        """Moves the weights by one batch; gives its loss before."""
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        draws = [draw(self.policy, len(rows), drawing) for _ in range(2)]
        try:
            views = [self.images.augmented(rows, one, self.images.side_px, self.policy, self.normalise, self.device) for one in draws]
            with torch.autocast(self.device.type, torch.bfloat16, enabled=self.in_half):
                projected = self.network(torch.cat(views))
            loss = self._loss(*projected.float().chunk(2))
            self.optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
        except (RuntimeError, MemoryError) as error:
            if not micro_batches.is_out_of_memory(error):
                raise
            problem = f"memory does not suffice for two views of {len(rows)} images at {self.images.side_px} px"
            raise InputError(problem, "lower pretrain.batch_size or pretrain.side_px") from None
        self.optimizer.step()
        return float(loss.detach())

    def _loss(self, first: Tensor, second: Tensor) -> Tensor:
        config = self.config
        if config.method == "simclr":
            return nt_xent(first, second, config.temperature)
        return vicreg(first, second, config.invariance, config.variance, config.covariance)

    def _state(self) -> dict[str, Any]:
        """Everything that the next epoch depends on."""
        return {"network": self.network.state_dict(), "optimizer": self.optimizer.state_dict(), "history": self.history}

    def _restore(self, state: dict[str, Any]) -> None:
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.history = state["history"]
