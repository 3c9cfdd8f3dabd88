"""The system's load while a step works: processor, memory, disk, network and GPU, as MLflow's own monitors measure them.

MLflow's `SystemMetricsMonitor` asks its store at every sample and gives up when that does not answer; here what was measured goes through
the outbox like all else that a step logs.
"""

import contextlib
import itertools
import os
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import psutil

from darkroom.system.secrets import redact

INTERVAL_S = 10.0  # MLflow's own; a step that ends sooner logs no load, and need not import MLflow for it
SWITCH = "MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING"  # MLflow's own; `false` switches it off
PREFIX = "system/"  # under which MLflow's page looks for it

TakeLoad = Callable[[int, Mapping[str, float]], None]


@contextlib.contextmanager
def system_load(take: TakeLoad, interval_s: float = INTERVAL_S) -> Iterator[None]:
    """Measures the load while the block runs; a thread does, which ends with the block, or with the process.

    Args:
        take: Takes the number of the sample, from 0, and its values; is called in the thread, and never after the block.
        interval_s: Seconds from one sample to the next, and to the first one.
    """
    if os.environ.get(SWITCH, "").lower() in ("false", "0"):
        yield
        return
    ended = threading.Event()
    thread = threading.Thread(target=_measure, args=(take, ended, interval_s), name="system load", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _measure(take: TakeLoad, ended: threading.Event, interval_s: float) -> None:
    psutil.cpu_percent()  # the next call tells the mean since this one
    monitors: list[Any] = []
    try:
        for number in itertools.takewhile(lambda _: not ended.wait(interval_s), itertools.count()):
            monitors = monitors or _monitors()
            take(number, _sample(monitors))
    except Exception as error:  # the step goes on without
        print(f"note: the system's load is not logged any more: {redact(str(error))}", file=sys.stderr, flush=True)


def _monitors() -> list[Any]:
    """MLflow's monitors; that of GPUs only where there are some and `nvidia-ml-py` is installed."""
    from mlflow.system_metrics.metrics.cpu_monitor import CPUMonitor
    from mlflow.system_metrics.metrics.disk_monitor import DiskMonitor
    from mlflow.system_metrics.metrics.gpu_monitor import GPUMonitor
    from mlflow.system_metrics.metrics.network_monitor import NetworkMonitor

    found = [CPUMonitor(), DiskMonitor(), NetworkMonitor()]  # type: ignore[no-untyped-call]
    with contextlib.suppress(ImportError, RuntimeError):
        found.append(GPUMonitor())  # type: ignore[no-untyped-call]
    return found


def _sample(monitors: list[Any]) -> dict[str, float]:
    values: dict[str, float] = {}
    for monitor in monitors:
        monitor.collect_metrics()
        values |= {f"{PREFIX}{name}": float(value) for name, value in monitor.aggregate_metrics().items()}
        monitor.clear_metrics()
    return values
