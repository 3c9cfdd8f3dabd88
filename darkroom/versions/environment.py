"""The environment: what a run's numbers may depend on besides data, settings and registry: Python, torch, packages, device.

Everything here is named one by one; the process's variables at large, which hold secrets, are never read.
"""

import hashlib
import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from darkroom.tracking.tags import DEVICE, PACKAGES, PYTHON, SYSTEM, TORCH
from darkroom.versions.code import LOCK

ENVIRONMENT = (PYTHON, TORCH, PACKAGES, DEVICE, SYSTEM)


def environment_tags() -> dict[str, str]:
    """Tags that say in what a run runs: versions, a hash of the locked packages, and the device."""
    return {
        PYTHON: platform.python_version(),
        TORCH: _version("torch"),
        PACKAGES: hashlib.sha256(LOCK.read_bytes()).hexdigest()[:12] if LOCK.exists() else "not locked",
        DEVICE: device(),
        SYSTEM: f"{platform.system()} {platform.machine()}",
    }


def device() -> str:
    """The GPUs that a step would find, or else the processor."""
    names = sorted(_gpus())
    gpus = ", ".join(f"{names.count(name)} x {name}" for name in dict.fromkeys(names))
    return gpus or f"{_processor()}, {len(os.sched_getaffinity(0))} threads"


def num_gpus() -> int:
    """How many GPUs a step would find."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    return len(_gpus()) if visible is None else min(len(_gpus()), len(visible.split(",")))


def _gpus() -> list[str]:
    if os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1"):
        return []
    command = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]  # torch would say the same, seconds later
    try:
        answer = subprocess.run(command, check=False, capture_output=True, encoding="utf-8", errors="replace", timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return []
    return [line.strip() for line in answer.stdout.splitlines() if line.strip()] if answer.returncode == 0 else []


def _processor() -> str:
    description = Path("/proc/cpuinfo")
    lines = description.read_text(encoding="utf-8").splitlines() if description.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
