"""Limits on costs: latency and size of the model that is to be registered, measured where there is a limit."""

import tempfile
from pathlib import Path

from components.register.config import RegisterConfig
from darkroom.comparison import Limit
from darkroom.metrics.latency import compare_latency
from darkroom.model import GRAPH
from darkroom.registry.fetch import download_bundle
from darkroom.registry.registry import Version

NUM_ROUNDS = 25  # of 20 ms, in which the two models are timed by turns
MEGABYTE = 2**20


def cost_limits(bundle: Path, champion: Version | None, config: RegisterConfig) -> tuple[Limit, ...]:
    """Compares a model with the limits on latency and size that are set.

    Args:
        bundle: The model's folder.
        champion: Its version; without one the ratios to it limit nothing.
        config: The limits.
    """
    with tempfile.TemporaryDirectory() as temporary:
        has_ratio = config.max_latency_ratio != "none" or config.max_size_ratio != "none"
        return compare_costs(bundle, download_bundle(champion, Path(temporary)) if champion and has_ratio else None, config)


def compare_costs(bundle: Path, champion_bundle: Path | None, config: RegisterConfig) -> tuple[Limit, ...]:
    """The same where the champion's folder, or none, is here."""
    return (*_latency(bundle, champion_bundle, config), *_size(bundle, champion_bundle, config))


def _latency(bundle: Path, champion_bundle: Path | None, config: RegisterConfig) -> list[Limit]:
    most, ratio = config.max_latency_ms, config.max_latency_ratio
    compared = champion_bundle if ratio != "none" else None
    if most == "none" and compared is None:
        return []
    times = compare_latency(compared or bundle, bundle, num_rounds=NUM_ROUNDS, num_threads=1)
    found = []
    if most != "none":
        found.append(Limit("max_latency_ms", f"at most {most:g} ms", f"latency of {times.after_ms:.3g} ms", times.after_ms <= most))
    if ratio != "none" and compared:
        text = f"latency of {times.ratio:.2f} of the champion's ({times.after_ms:.3g} ms, {times.before_ms:.3g} ms)"
        found.append(Limit("max_latency_ratio", f"at most {ratio:g} of the champion's latency", text, times.ratio <= ratio))
    return found


def _size(bundle: Path, champion_bundle: Path | None, config: RegisterConfig) -> list[Limit]:
    most, ratio, size = config.max_size_mb, config.max_size_ratio, _megabytes(bundle)
    found = []
    if most != "none":
        found.append(Limit("max_size_mb", f"at most {most:g} MB", f"size of {size:.3g} MB", size <= most))
    if ratio != "none" and champion_bundle:
        champion_size = _megabytes(champion_bundle)
        text = f"size of {size / champion_size:.2f} of the champion's ({size:.3g} MB, {champion_size:.3g} MB)"
        found.append(Limit("max_size_ratio", f"at most {ratio:g} of the champion's size", text, size / champion_size <= ratio))
    return found


def _megabytes(bundle: Path) -> float:
    return (bundle / GRAPH).stat().st_size / MEGABYTE
