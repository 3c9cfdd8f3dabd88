"""Sizes as a person reads them."""


def in_units(num_bytes: float) -> str:
    """Bytes in the unit that fits, such as `1.4 GB` (of 10^9 bytes)."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if abs(num_bytes) < 1000:
            return f"{num_bytes:.0f} {unit}" if unit == "bytes" else f"{num_bytes:.1f} {unit}"
        num_bytes /= 1000
    return f"{num_bytes:.1f} TB"
