"""Sizes as a person reads them."""

import os
from pathlib import Path


def in_units(num_bytes: float) -> str:
    """Bytes in the unit that fits, such as `1.4 GB` (of 10^9 bytes)."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if abs(num_bytes) < 1000:
            return f"{num_bytes:.0f} {unit}" if unit == "bytes" else f"{num_bytes:.1f} {unit}"
        num_bytes /= 1000
    return f"{num_bytes:.1f} TB"


def size_of(path: Path) -> int:
    """Bytes that a file, or all that is in a folder, takes on the disk."""
    if path.is_dir() and not path.is_symlink():
        return sum(size_of(Path(entry)) for entry in os.scandir(path))
    try:
        return path.lstat().st_blocks * 512
    except FileNotFoundError:
        return 0
