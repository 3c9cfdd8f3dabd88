"""The processor cores that a process was given, and threads that leave a core to others while they wait.

Threads of OpenMP (torch, scikit-learn) spin before they sleep: two trainings on two cores then burn the time in which
the other one could compute. Threads that sleep at once are slow as well: small images make many short parallel
sections, each of which would wake them. `share_cores` lets them spin for microseconds only, and keeps what they
allocate from being handed back to the system after each batch. Neither changes a number that is computed.

NumPy's and SciPy's own threads (OpenBLAS) spin as well. Decompositions of a thousand rows take them up to ten times as long with
two threads on two cores that are not free as with one, so they have one. What they compute then does not depend on the number of cores.
"""

import ctypes
import math
import os
import sys
from pathlib import Path

CGROUPS, MEMBERSHIP = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")
OPENMP_THREADS, OPENMP_WAITING, OPENMP_SPINS = "OMP_NUM_THREADS", "OMP_WAIT_POLICY", "GOMP_SPINCOUNT"
OPENBLAS_THREADS = "OPENBLAS_NUM_THREADS"
SPINS = 3000  # of libgomp's loop; benchmarks/side_by_side.py measures it against sleeping at once and against the default
_MALLOC = {"MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_", "GLIBC_TUNABLES"}
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # from malloc.h
_KEPT_BYTES = 2**31 - 1  # the largest value that mallopt takes


def num_cores() -> int:
    """Cores that this process may use, at least 1.

    The least of its affinity, the CPU quota of its control groups (a container's limit; a part of a core counts as a
    whole one), and `OMP_NUM_THREADS`, where these are set.
    """
    given = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    wanted = os.environ.get(OPENMP_THREADS, "").partition(",")[0].strip()
    limits = [given, math.ceil(cpu_quota()), int(wanted) if wanted.isdecimal() else given]
    return max(1, min(limits))


def cpu_quota(root: Path = CGROUPS, membership: Path = MEMBERSHIP) -> float:
    """CPUs that the control groups of this process allow, or 1,000,000 without a limit.

    Args:
        root: Where control groups are mounted.
        membership: The file that says in which ones this process is.
    """
    files = {2: ["cpu.max"], 1: ["cpu.cfs_quota_us", "cpu.cfs_period_us"]}
    found = (_quota(*(folder / name for name in files[version])) for folder, version in control_groups("cpu", root, membership))
    return min([1e6, *found])


def control_groups(controller: str, root: Path = CGROUPS, membership: Path = MEMBERSHIP) -> list[tuple[Path, int]]:
    """The folders of this process's control groups that may limit it, and of those above them, with the version of their files, 1 or 2.

    Args:
        controller: Of what is limited: `cpu` or `memory`.
        root: Where control groups are mounted.
        membership: The file that says in which ones this process is.
    """
    found: list[tuple[Path, int]] = []
    lines = membership.read_text(encoding="utf-8").splitlines() if membership.exists() else []
    for number, controllers, path in (line.split(":", 2) for line in lines):
        if number == "0":
            found += [(folder, 2) for folder in _ancestors(root, path)]
        elif controller in controllers.split(","):
            found += [(folder, 1) for folder in _ancestors(root / controller, path)]
    return found


def share_cores() -> None:
    """Prepares this process to share its cores; before NumPy, torch or scikit-learn are loaded. What the user set stays."""
    os.environ.setdefault(OPENMP_THREADS, str(num_cores()))
    if OPENBLAS_THREADS not in os.environ:
        os.environ[OPENBLAS_THREADS] = "1"
        if "numpy" in sys.modules:  # it has been read already
            from threadpoolctl import ThreadpoolController  # a registered model takes this module to where that package is not

            ThreadpoolController().select(internal_api="openblas").limit(limits=1)
    if OPENMP_WAITING not in os.environ:
        os.environ.setdefault(OPENMP_SPINS, str(SPINS))
    library = ctypes.CDLL(None)
    if hasattr(library, "mallopt") and not _MALLOC & os.environ.keys():
        library.mallopt(_M_MMAP_THRESHOLD, _KEPT_BYTES)
        library.mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)


def _ancestors(root: Path, path: str) -> list[Path]:
    """The folders of a control group and of those above it; a container may see but the root."""
    group = root / path.strip("/")
    return [folder for folder in (group, *group.parents) if folder.is_relative_to(root)]


def _quota(*files: Path) -> float:
    """CPUs by a quota and its period, in one file or in two; `max` and -1 are no limit."""
    if not all(file.exists() for file in files):
        return math.inf
    quota, period = " ".join(file.read_text(encoding="utf-8") for file in files).split()
    return math.inf if quota in ("max", "-1") else int(quota) / int(period)
