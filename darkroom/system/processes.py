"""Processes: which process, user and code a run belongs to, and whether the process has ended."""

import getpass
import json
import os
import socket
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

import psutil

from darkroom.tracking.tags import (
    BOOT,
    COMMIT,
    DIRTY,
    HOST,
    KUBEFLOW_RUN,
    KUBEFLOW_TAG,
    OWNER,
    PID,
    PID_SPACE,
    PROCESS_STARTED,
    SOURCE_NAME,
    SOURCE_TYPE,
    USER,
)

STDIN = "stdin"


def owner_tags() -> dict[str, str]:
    """Tags that name this process beyond doubt: host, boot, process-id space, process id and start."""
    return {**_machine(), PID: str(os.getpid()), PROCESS_STARTED: _started(os.getpid())}


def has_owner() -> bool:
    """Whether another process on this machine runs the pipeline that this one is a step of."""
    owner = os.environ.get(OWNER, "")
    if owner in ("", STDIN):
        return owner == STDIN
    tags, this_process = json.loads(owner), {**_machine(), PID: str(os.getpid())}
    return any(tags.get(name) != value for name, value in this_process.items())


def is_dead(tags: Mapping[str, str]) -> bool:
    """Whether the process that wrote the tags is known to have ended; False where that can't be seen from here.

    Args:
        tags: A run's tags, with those of `owner_tags` among them, or not.
    """
    here = _machine()
    if PID not in tags or tags.get(HOST) != here[HOST]:
        return False
    if tags.get(BOOT) != here[BOOT]:
        return True
    return tags.get(PID_SPACE) == here[PID_SPACE] and _started(int(tags[PID])) != tags.get(PROCESS_STARTED)


def started_at() -> float:
    """When this process began, by the clock of `time.monotonic`."""
    return time.monotonic() - max(0.0, time.time() - psutil.Process().create_time())


def source_tags() -> dict[str, str]:
    """Tags that name the user and the code: git commit, and whether something is changed since."""
    tags = {SOURCE_NAME: "darkroom", SOURCE_TYPE: "LOCAL", USER: user()}
    commit = _git("rev-parse", "HEAD")
    if commit:
        tags |= {COMMIT: commit, DIRTY: str(bool(_git("status", "--porcelain"))).lower()}
    return tags


def kubeflow_tags() -> dict[str, str]:
    """A tag with the id of the run on Kubeflow that this process belongs to; none elsewhere."""
    run = os.environ.get(KUBEFLOW_RUN, "")
    return {KUBEFLOW_TAG: run} if run else {}


def user() -> str:
    """The user's name; the number of one without a name, such as an arbitrary user id in a container."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def _machine() -> dict[str, str]:
    """Host and boot; two containers of one host share both, so the process-id space distinguishes them."""
    boot, space = Path("/proc/sys/kernel/random/boot_id"), Path("/proc/self/ns/pid")
    return {
        HOST: socket.gethostname(),
        BOOT: boot.read_text(encoding="utf-8").strip() if boot.exists() else "unknown",
        PID_SPACE: str(space.readlink()) if space.is_symlink() else "unknown",
    }


def _started(pid: int) -> str:
    """Seconds from boot to the process's start, which a clock that is set back does not change; empty where it has ended."""
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return ""
        return f"{process.create_time() - psutil.boot_time():.1f}"
    except psutil.NoSuchProcess:
        return ""


def _git(*command: str) -> str:
    """What git says about the code, or nothing where there is no git or no repository."""
    folder = Path(__file__).resolve().parents[2]
    try:
        answer = subprocess.run(
            ["git", "-C", str(folder), *command], check=False, capture_output=True, encoding="utf-8", errors="replace", timeout=30
        )
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return ""
    return answer.stdout.strip() if answer.returncode == 0 else ""
