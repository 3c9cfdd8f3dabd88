"""The memory that is left to a process."""

import math
from pathlib import Path

import psutil

from darkroom.system.cores import CGROUPS, MEMBERSHIP, control_groups

_FILES = {  # by the version of control groups: the limit, what is used of it, and in `memory.stat` what of that is handed back when needed
    2: ("memory.max", "memory.current", "inactive_file"),
    1: ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
}


def available_memory() -> float:
    """Bytes that this process may still take: the least of what the machine has and what its control groups (a container's limit) allow."""
    return min(psutil.virtual_memory().available, left_in_groups())


def left_in_groups(root: Path = CGROUPS, membership: Path = MEMBERSHIP) -> float:
    """Bytes that the control groups of this process leave it; infinite without a limit.

    Args:
        root: Where control groups are mounted.
        membership: The file that says in which ones this process is.
    """
    return min((_left(folder, *_FILES[version]) for folder, version in control_groups("memory", root, membership)), default=math.inf)


def _left(folder: Path, limit: str, used: str, cache: str) -> float:
    try:
        most, taken = ((folder / name).read_text(encoding="ascii").strip() for name in (limit, used))
        stat = dict(line.split() for line in (folder / "memory.stat").read_text(encoding="ascii").splitlines())
    except OSError:  # it limits no memory
        return math.inf
    return math.inf if most == "max" else max(0, int(most) - int(taken) + int(stat.get(cache, 0)))
