"""A training's epochs: batches of steps, a validation after each, the choice of an epoch, and what a checkpoint holds."""

import dataclasses
import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from darkroom.system.errors import InputError
from darkroom.training import batches, devices, grouped_convolutions, layers, micro_batches, progressive, validation
from darkroom.training.deadline import Course, Deadline
from darkroom.training.drawn_batch import draw_batch
from darkroom.training.hyperparameters import Settings
from darkroom.training.known_answers import KnownAnswers
from darkroom.training.losses import make_loss
from darkroom.training.optimizers import make_optimizer, moving_average, rate_factor
from darkroom.training.problem import Problem
from darkroom.training.world import World

CHECKED_STEPS = 100  # after so many the GPU is asked whether all losses are numbers


@dataclasses.dataclass(frozen=True)
class Fitted:
    """The result of a training; the network that was given holds the weights of the epoch that was kept.

    Attributes:
        history: A row an epoch: `epoch`, `train_loss`, `learning_rate`, with validation images `validation_loss`
            and `validation_<measure>`, and `accumulate` where batches went through in parts.
        best_epoch: The epoch that was kept, from 1: the last one within one standard error of the best.
        thresholds: Those of the model card, tuned on the validation images with the weights that were kept, see `thresholds.tune`.
        accumulate: Parts in which batches went through in the end: the setting, or more where memory was short.
        error: Standard error of the monitored measure on the validation images, of the best epoch; 0 for a loss.
        course: Its way through the schedule, which a deadline may have shortened; the last epoch may have fewer steps then.
    """

    history: list[dict[str, float]]
    best_epoch: int
    thresholds: tuple[float, ...]
    accumulate: int = 1
    error: float = 0.0
    course: Course | None = None


class Trainer:
    """The state of a training: network, optimizer, history and the epoch that is kept.

    Args:
        network: Is moved to the device, and changed.
        problem: What is to be learnt.
        settings: How.
        deadline: When the step has to be done, or none.
        world: The processes that train it.
        answers: Of other networks for the training images, learnt beside the labels, or none.
    """

    def __init__(
        self,
        network: nn.Module,
        problem: Problem,
        settings: Settings,
        deadline: Deadline | None = None,
        world: World | None = None,
        answers: KnownAnswers | None = None,
    ) -> None:
        self.world = world or World()
        self.device = devices.choose(settings.device)
        self.problem, self.settings, self.history = problem, settings, list[dict[str, float]]()
        self.network = network.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.compiled = torch.compile(self.network, dynamic=False) if settings.compile == "on" else self.network
        self.average = moving_average(self.network, settings.ema_decay)
        self.optimizer = make_optimizer(
            self.network,
            settings.optimizer,
            learning_rate=settings.learning_rate,
            weight_decay=settings.weight_decay,
            momentum=settings.momentum,
            shares=layers.rate_shares(self.network, head_rate_factor=settings.head_rate_factor, layer_decay=settings.layer_decay),
        )
        self.train, self.validation = problem.train.to(self.device), problem.validation.to(self.device)
        self.answers = answers and answers.to(self.device)
        self.loss = make_loss(problem.task, problem.train.targets, len(problem.classes), settings, problem.image_weights)
        self.normalise = batches.Normalise(problem.mean, problem.std, self.device)
        self.half = devices.half_precision(settings.mixed_precision, self.device, self.train.side_px)
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=self.half is torch.float16)
        self.kept: dict[str, Any] = {"epoch": 0, "weights": {}}
        self.error = 0.0  # standard error of the best epoch's score
        self.rate = 0.0  # of the trunk, in the step that is next
        self.side_px = 0  # of the images, in the step that is next
        self.accumulate = max(settings.accumulate, self.world.min_parts)
        self.course, self.deadline = Course(settings.epochs, settings.epochs), deadline or Deadline()
        torch.backends.cudnn.benchmark = self.device.type == "cuda"

    @property
    def meaning(self) -> dict[str, Any]:
        """What a checkpoint must have in common with this training to be resumed from."""
        sizes = [len(self.train), len(self.validation), *self.train.shape]
        taught = {"answers": [self.answers.share, self.answers.temperature]} if self.answers else {}
        short = {"precision": str(self.half)} if self.half else {}
        return {"settings": dataclasses.asdict(self.settings), "classes": list(self.problem.classes), "sizes": sizes, **taught, **short}

    def is_done(self) -> bool:
        """Whether all epochs have passed, or too many without a better one."""
        passed = len(self.history)
        return self.course.is_over(passed) or (len(self.validation) > 0 and passed - self._best_epoch >= self.settings.patience)

    @contextmanager
    def computing(self) -> Iterator[None]:
        """Computes as precisely as the settings say; leaves torch's own generators, and how others compute, as they were."""
        generators = torch.random.fork_rng(devices=[self.device] if self.device.type == "cuda" else [])
        in_float32 = grouped_convolutions.in_float32(self.network, self.device, self.half)
        with generators, devices.products(self.settings.mixed_precision), in_float32:
            yield

    def begin(self, epoch: int) -> tuple[list[Tensor], torch.Generator]:
        """Batches of an epoch, and a generator; all that is random depends on the seed and the epoch's number alone."""
        settings = self.settings
        scheduled = self.course.scheduled(epoch)
        self.side_px = progressive.side_at(scheduled, settings.epochs, self.train.side_px, settings.first_side_share)
        seeds = batches.seeds_of(settings.seed, epoch)
        order = batches.order(self.problem.task, self.train.targets.cpu(), settings, torch.Generator().manual_seed(seeds[0]))
        augmenting = torch.Generator(self.device).manual_seed(seeds[1])
        torch.manual_seed(seeds[2])  # for dropout and stochastic depth, which know no generator
        depth = layers.first_learning_depth(
            epoch,
            freeze_epochs=settings.freeze_epochs,
            unfreeze_epochs=settings.unfreeze_epochs,
            frozen_share=settings.frozen_share,
        )
        layers.learn_from(self.network, depth, freeze_batch_norm=settings.freeze_batch_norm)
        return order, augmenting

    def run_epoch(self) -> dict[str, float]:
        """Trains one epoch and validates it."""
        epoch, settings = len(self.history), self.settings
        order, augmenting = self.begin(epoch)
        self.deadline.begin_epoch(epoch)
        losses = torch.zeros(len(order), device=self.device)
        coming = self.train.ahead(order) if self.world.size == 1 else order  # of several processes, each needs a part of a batch
        for number, rows in enumerate(coming):
            position = epoch + (number + 1) / len(order)
            self.use_rate(self._rate_at(position))
            losses[number] = self.step(rows, augmenting)
            self.average.update_parameters(self.network)
            if self.device.type == "cpu" or (number + 1) % CHECKED_STEPS == 0 or number + 1 == len(order):
                self._check_finite(losses[: number + 1], len(order))
                if self.deadline.is_limited:
                    self.course = self.world.agree(self.deadline.watch(self.course, position, len(order)))
            if self.course.is_over(position):
                break
        sizes = torch.tensor([len(rows) for rows in order[: number + 1]], device=self.device)
        losses = losses[: len(sizes)]
        row = {"epoch": float(epoch + 1), "train_loss": float((losses * sizes).sum() / sizes.sum()), "learning_rate": self.rate}
        if self.accumulate > 1:
            row["accumulate"] = float(self.accumulate)
        validated = validation.validate(
            self.average.module,
            self.problem,
            self.validation,
            self.loss,
            self.normalise,
            devices.short_validation(settings.mixed_precision, self.device),
            settings.threshold_prior_images,
            self.world,
        )
        row |= validated.row
        if not all(math.isfinite(value) for value in row.values()):
            raise self._diverged("on the validation images", self.rate)
        self.history.append(row)
        if self._best_epoch == len(self.history):
            self.error = validation.error_of(validated, settings.monitor)
        if validation.kept_epoch(self._scores, self.error) == len(self.history):
            weights = {name: value.detach().cpu().clone() for name, value in self.average.module.state_dict().items()}
            self.kept = {"epoch": len(self.history), "weights": weights}
        return row

    def _check_finite(self, losses: Tensor, num_steps: int) -> None:
        """Raises an InputError where a loss of this epoch is no number; asking it makes the GPU wait."""
        if len(bad := (~losses.isfinite()).nonzero()):
            number = int(bad[0]) + 1
            raise self._diverged(f"batch {number} of {num_steps}", self._rate_at(len(self.history) + number / num_steps))

    def _diverged(self, where: str, rate: float) -> InputError:
        peak = self.settings.learning_rate
        clipped = "" if self.settings.clip_norm else ", or train.clip_norm to 1"
        return InputError(
            f"train.learning_rate is {peak:g}, and the loss left the finite numbers in epoch {len(self.history) + 1}, {where}, at a "
            f"rate of {rate:.3g}: set it to {peak / 3:.2g}{clipped}"
        )

    def step(self, rows: Tensor, generator: torch.Generator) -> Tensor:
        """Moves the weights by one batch; returns its loss before."""
        batch = draw_batch(self.train, rows, self.side_px, self.problem.policy, self.settings, self.normalise, self.device, generator)
        targets, weights = self.train.targets[rows.to(self.device)], self.problem.image_weights
        counting = None if weights is None else weights[rows]

        def add(part: slice) -> Tensor:
            """Adds the gradients of a part of the batch, and returns its loss."""
            prepared, share = batch.prepare(self.world.share(part)), batch.mixture.share
            with self.world.slicing(part), torch.autocast(self.device.type, self.half or torch.bfloat16, enabled=self.half is not None):
                logits = self.compiled(prepared.images)
            own, partners = (
                self.loss(logits.float(), targets[numbers.to(self.device)], targets, None if counting is None else counting[numbers])
                for numbers in prepared[1:]
            )
            loss = share * own + (1 - share) * partners
            if self.answers:
                of_images = rows[prepared.rows], rows[prepared.partners], share, len(rows), weights
                loss = self.answers.blend(loss, logits.float(), *of_images)
            self.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
            return loss.detach()

        loss, parts = micro_batches.in_parts(len(rows), self.accumulate, add, self.optimizer.zero_grad, may_halve=self.world.size == 1)
        self.world.add_up([loss, *(value.grad for value in self.network.parameters() if value.grad is not None)])
        if parts > self.accumulate:
            print(micro_batches.told(self.settings.batch_size, parts), flush=True)
            self.accumulate = parts
        if self.settings.clip_norm:
            self.scaler.unscale_(self.optimizer)
            nn.utils.clip_grad_norm_(self.network.parameters(), self.settings.clip_norm)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        return loss

    def _rate_at(self, position: float) -> float:
        """The learning rate at a position of the training, in epochs."""
        settings = self.settings
        scheduled = self.course.scheduled(position)
        return settings.learning_rate * rate_factor(settings.schedule, scheduled, settings.epochs, settings.warmup_epochs)

    def use_rate(self, rate: float) -> None:
        """Sets the learning rate of the next steps."""
        self.rate = rate
        for group in self.optimizer.param_groups:
            group["lr"] = self.rate * group["share"]

    @property
    def _scores(self) -> list[float]:
        return [validation.score(row, self.settings.monitor) for row in self.history]

    @property
    def _best_epoch(self) -> int:
        """The first epoch with the best score; 0 before the first epoch."""
        return 1 + self._scores.index(max(self._scores)) if self.history else 0

    def state(self) -> dict[str, Any]:
        """Everything that the next epoch depends on."""
        return {
            "meaning": self.meaning,
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
            "history": self.history,
            "kept": self.kept,
            "error": self.error,
            "accumulate": self.accumulate,
            "course": dataclasses.asdict(self.course),
            "used_s": self.deadline.used_s,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Resumes from a state."""
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.scaler.load_state_dict(state["scaler"])
        self.accumulate = max(state.get("accumulate", self.settings.accumulate), self.world.min_parts)
        self.history, self.kept, self.error = state["history"], state["kept"], state["error"]
        self.course = Course(**state["course"])
        self.deadline.resume(state["used_s"])

    def finish(self) -> Fitted:
        """Puts the kept epoch's weights into the network, and tunes the thresholds on its predictions for the validation images."""
        if self.course.is_shortened:
            print(self.course.told(), flush=True)
        if not self.course.is_over(len(self.history)):
            print(f"stopped early: {self.settings.monitor} has not improved since epoch {self._best_epoch}", flush=True)
        self.network.load_state_dict(self.kept["weights"])
        self.network.eval().requires_grad_(True)
        logits = validation.logits_of(self.network, self.validation, len(self.problem.classes), self.normalise, None, self.world)
        self.network.to("cpu", memory_format=torch.contiguous_format)
        tuned = validation.tuned_thresholds(logits, self.problem, self.settings.threshold_prior_images)
        return Fitted(self.history, self.kept["epoch"], tuned, self.accumulate, self.error, self.course)
