"""Work on several threads, results in order, and only a few of them in memory at once."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from darkroom.system.cores import num_cores

Item = TypeVar("Item")
Result = TypeVar("Result")


def ordered(function: Callable[[Item], Result], items: Iterable[Item], num_threads: int | None = None, ahead: int = 8) -> Iterator[Result]:
    """Yields `function(item)` for every item, in the items' order.

    Args:
        function: What to do; worth it where it releases the interpreter's lock (reading, decoding, hashing).
        items: Taken as they are needed, never all at once.
        num_threads: Threads that work; as many as the process was given cores where none is named.
        ahead: How many results may wait for the consumer, one a thread at least: what bounds the memory.
    """
    waiting: deque[Future[Result]] = deque()
    workers = num_threads or num_cores()
    with ThreadPoolExecutor(workers) as pool:
        try:
            for item in items:
                waiting.append(pool.submit(function, item))
                if len(waiting) > max(ahead, workers):
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
