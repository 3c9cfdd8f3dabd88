"""One of the processes that train a network together: `torchrun --nproc-per-node 2 -m darkroom.training.worker FOLDER`.

The folder is what `darkroom.training.launch` wrote. A process ends when the folder is gone, or the process that started it, whose id may
follow the folder: it may have ended before this one looks.
"""

import io
import os
import sys
import threading
import time
from datetime import timedelta
from functools import partial
from pathlib import Path

import torch
import torch.distributed as dist

from darkroom.system.cores import share_cores
from darkroom.system.errors import kind_of
from darkroom.system.files import remove
from darkroom.training import devices, handover
from darkroom.training.epochs import nothing
from darkroom.training.handover import Work
from darkroom.training.loop import fit
from darkroom.training.micro_batches import is_out_of_memory
from darkroom.training.world import World

MEMORY = "memory"  # kind of a failure
_POLL_S, _TIMEOUT = 0.5, timedelta(hours=1)


def main(folder: Path, parent: int) -> int:
    """Trains.

    Args:
        folder: Where the work is, and the result will be.
        parent: Id of the process that started this one.

    Returns:
        The exit status.
    """
    share_cores()
    rank = int(os.environ["RANK"])
    threading.Thread(target=_follow, args=(folder, parent, rank), daemon=True).start()
    if rank:
        sys.stdout = io.StringIO()
    try:
        _work(folder, handover.read_work(folder), rank)
    except BaseException as error:
        kind = MEMORY if is_out_of_memory(error) else kind_of(error)
        handover.write_failure(folder, rank, kind, str(error) if kind != "internal" else f"{type(error).__name__}: {error}")
        if kind == "internal":
            raise
        return 1
    return 0


def _work(folder: Path, work: Work, rank: int) -> None:
    device = devices.choose(work.settings.device)
    if device.type == "cuda":
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=_TIMEOUT)
    world = World(rank, dist.get_world_size(), work.min_parts)
    on_epoch = partial(handover.write_epoch, folder) if world.is_first else nothing
    network = work.network()
    with devices.threads(work.num_threads):
        fitted = fit(
            network,
            work.problem,
            work.settings,
            checkpoint=work.checkpoint,
            on_epoch=on_epoch,
            deadline=work.deadline,
            world=world,
            answers=work.answers,
        )
    if world.is_first:
        handover.write_result(folder, network, fitted)
    dist.barrier()
    dist.destroy_process_group()


def _follow(folder: Path, parent: int, rank: int) -> None:
    """Ends this process with the one that started it, or once the folder is removed."""
    while folder.exists() and os.getppid() == parent:
        time.sleep(_POLL_S)
    if rank == 0:
        remove(folder)
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else os.getppid()))
