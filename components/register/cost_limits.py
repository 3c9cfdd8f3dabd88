"""Costs: latency and size of the model that is to be registered, measured where the gate limits them."""

import tempfile
from pathlib import Path

from components.register.config import RegisterConfig
from darkroom.comparison import Limit
from darkroom.metrics import latency
from darkroom.model import GRAPH
from darkroom.registry.fetch import download_bundle
from darkroom.registry.registry import Version

NUM_ROUNDS = 25  # turns that each model is timed for, 20 ms each
MEGABYTE = 2**20


def cost_limits(bundle: Path, best: Version | None, config: RegisterConfig) -> tuple[Limit, ...]:
    """Holds a model against the limits on latency and size that are set.

    Args:
        bundle: The model's folder.
        best: The champion; without one the ratios to it limit nothing.
        config: The limits.
    """
    with tempfile.TemporaryDirectory() as place:
        needed = best and (config.max_latency_ratio != "none" or config.max_size_ratio != "none")
        champion = download_bundle(best, Path(place)) if best and needed else None
        return (*_latency(bundle, champion, config), *_size(bundle, champion, config))


def _latency(bundle: Path, champion: Path | None, config: RegisterConfig) -> list[Limit]:
    most, ratio = config.max_latency_ms, config.max_latency_ratio
    compared = champion if ratio != "none" else None
    if most == "none" and compared is None:
        return []
    times = latency.compare(compared or bundle, bundle, num_rounds=NUM_ROUNDS, num_threads=1)
    found = []
    if most != "none":
        found.append(Limit("max_latency_ms", f"at most {most:g} ms", f"latency of {times.after_ms:.3g} ms", times.after_ms <= most))
    if ratio != "none" and compared:
        text = f"latency of {times.ratio:.2f} of the champion's ({times.after_ms:.3g} ms, {times.before_ms:.3g} ms)"
        found.append(Limit("max_latency_ratio", f"at most {ratio:g} of the champion's latency", text, times.ratio <= ratio))
    return found


def _size(bundle: Path, champion: Path | None, config: RegisterConfig) -> list[Limit]:
    most, ratio, size = config.max_size_mb, config.max_size_ratio, _megabytes(bundle)
    found = []
    if most != "none":
        found.append(Limit("max_size_mb", f"at most {most:g} MB", f"size of {size:.3g} MB", size <= most))
    if ratio != "none" and champion:
        other = _megabytes(champion)
        text = f"size of {size / other:.2f} of the champion's ({size:.3g} MB, {other:.3g} MB)"
        found.append(Limit("max_size_ratio", f"at most {ratio:g} of the champion's size", text, size / other <= ratio))
    return found


def _megabytes(bundle: Path) -> float:
    return (bundle / GRAPH).stat().st_size / MEGABYTE
