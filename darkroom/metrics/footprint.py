"""What a model takes where it answers: bytes on disk, multiply-adds, time and memory, whatever its family."""

import importlib
from pathlib import Path

import psutil

from darkroom.metrics.latency import measure_latency
from darkroom.model import GRAPH, Predictor
from darkroom.networks.graph_cost import graph_macs

MEGABYTE = 2**20
NUM_ROUNDS = 5  # of 20 ms or one image


def footprint(folder: Path) -> dict[str, float]:
    """Measures an exported model on this machine.

    Args:
        folder: The model's folder.

    Returns:
        `size_mb` of its graph and `memory_mb` that a process gets larger by when it loads the graph and answers single images, in
        megabytes of 2^20 bytes; `macs`, the multiply-adds of an image; `latency_ms` of one on one thread, the median.
    """
    graph = folder / GRAPH
    before = _resident_bytes()
    predictor = Predictor(folder, 1)
    latency_ms = measure_latency(predictor, num_rounds=NUM_ROUNDS)
    memory = max(0, _resident_bytes() - before)
    sizes = {"size_mb": graph.stat().st_size / MEGABYTE, "memory_mb": memory / MEGABYTE}
    return {**sizes, "macs": float(graph_macs(graph)), "latency_ms": latency_ms}


def _resident_bytes() -> int:
    importlib.import_module("onnxruntime")  # is no part of a model, but of what every model needs
    return int(psutil.Process().memory_info().rss)
