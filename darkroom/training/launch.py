"""Trains a network in several processes, which torch's elastic launcher starts, as `torchrun` does.

Those of this machine find each other on 127.0.0.1. None of them outlives the one that started them, however that ends; one that fails
ends all. For those of several nodes, see `darkroom.runtime.train_job`.
"""

import dataclasses
import logging
import os
import signal
import sys
import tempfile
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Protocol

from torch import nn
from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from darkroom.system.errors import InputError
from darkroom.system.files import remove
from darkroom.training import batches, handover, micro_batches, worker
from darkroom.training.epochs import OnEpoch, nothing
from darkroom.training.handover import Work
from darkroom.training.trainer import Fitted

_POLL_S, _SHUTDOWN_S = 0.1, 5
_LOGGER = "torch.distributed.elastic"


class Launch(Protocol):
    """Processes of `darkroom.training.worker` that are started for the work in a folder."""

    def start(self) -> None:
        """Starts them."""

    def join_for(self, seconds: float) -> bool:
        """Waits for so long at most; whether all of them have ended."""

    def failure(self) -> tuple[str, str] | None:
        """Kind and message of the first failure, or none, once they have ended."""

    def end(self) -> None:
        """Ends those that are left; their folder is gone."""


def fit_together(
    network: nn.Module,
    work: Work,
    num_processes: int,
    on_epoch: OnEpoch = nothing,
    launch: Callable[[Path], Launch] | None = None,
    root: Path | None = None,
) -> Fitted:
    """Trains as `darkroom.training.loop.fit` does, in several processes: at the same batch size, the result is the same but for rounding.

    Where memory is short in one of them, all begin again at the last checkpoint, with batches in twice as many parts.

    Args:
        network: Gets the weights that were kept.
        work: What they do.
        num_processes: How many, two or more, and no more than there are images in a part of a batch.
        on_epoch: Called here with each epoch's number, from 1, and its row of the history.
        launch: Starts them for a folder; on this machine where none is given.
        root: Where that folder is made, which all of them must see; the temporary folder where none is given.

    Raises:
        InputError: A mistake of the user that a process has found, or memory does not suffice.
        RuntimeError: A process has failed otherwise.
    """
    most = batches.smallest_size(len(work.problem.train), work.settings.batch_size) // num_processes
    parts, told, launch = work.settings.accumulate, 0, launch or partial(Processes, num_processes)

    def on_new_epoch(epoch: int, row: dict[str, float]) -> None:
        nonlocal told
        if epoch > told:
            told = epoch
            on_epoch(epoch, row)

    while True:
        kind, message = _attempt(network, dataclasses.replace(work, min_parts=parts), on_new_epoch, launch, root)
        if isinstance(kind, Fitted):
            return kind
        if kind != worker.MEMORY:
            raise InputError(message) if kind == "input" else RuntimeError(message)
        if parts >= most:
            raise InputError(micro_batches.too_little(num_processes))
        parts = min(2 * parts, most)
        print(micro_batches.told(work.settings.batch_size, parts), flush=True)


def _attempt(
    network: nn.Module, work: Work, on_epoch: OnEpoch, launch: Callable[[Path], Launch], root: Path | None
) -> tuple[Fitted | str, str]:
    """Trains once: what was reached, or the kind and the message of the first failure."""
    folder, number = Path(tempfile.mkdtemp(prefix="darkroom-training-", dir=root)), 0
    launched = launch(folder)
    try:
        handover.write_work(folder, work)
        launched.start()
        has_ended = False
        while not has_ended:
            has_ended = launched.join_for(_POLL_S)
            for epoch, row in handover.epochs_after(folder, number):
                number += 1
                on_epoch(epoch, row)
        return launched.failure() or (handover.read_result(folder, network), "")
    finally:
        remove(folder)
        launched.end()


class Processes(threading.Thread):
    """Processes of this machine; the launcher is beside the thread that reports the epochs and that a signal may interrupt.

    Args:
        num_processes: How many.
        folder: Where their work is.
    """

    def __init__(self, num_processes: int, folder: Path) -> None:
        super().__init__(daemon=True)
        self._folder, self._num_processes = folder, num_processes
        self._error: BaseException | None = None

    def run(self) -> None:
        """Starts the processes, and waits for them."""
        config = LaunchConfig(
            min_nodes=1,
            max_nodes=1,
            nproc_per_node=self._num_processes,
            run_id=uuid.uuid4().hex,
            rdzv_backend="c10d",
            rdzv_endpoint="127.0.0.1:0",
            local_addr="127.0.0.1",
            max_restarts=0,
            monitor_interval=_POLL_S,
            shutdown_timeout=_SHUTDOWN_S,
            logs_specs=DefaultLogsSpecs(log_dir=str(self._folder)),
        )
        try:
            with _quiet():
                elastic_launch(config, sys.executable)("-m", worker.__spec__.name, str(self._folder), str(os.getpid()))
        except BaseException as error:
            self._error = error

    def join_for(self, seconds: float) -> bool:
        """See `Launch`."""
        self.join(seconds)
        return not self.is_alive()

    def end(self) -> None:
        """See `Launch`."""
        if self.is_alive():
            self.join(_SHUTDOWN_S)

    def failure(self) -> tuple[str, str] | None:
        """See `Launch`."""
        if self._error is None:
            return None
        found = handover.first_failure(self._folder)
        if found and found[0] != "internal":
            return found
        failures = self._error.failures if isinstance(self._error, ChildFailedError) else {}
        for rank, one in failures.items():
            if one.exitcode < 0 and -one.exitcode != signal.SIGTERM:  # by which the launcher ends the others
                return "internal", f"process {rank} of the training was ended by {signal.Signals(-one.exitcode).name}"
        return found or ("internal", f"the processes of the training failed: {self._error}")


@contextmanager
def _quiet() -> Iterator[None]:
    """Keeps the launcher's own report back: the failure is raised."""
    logger = logging.getLogger(_LOGGER)
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(before)
