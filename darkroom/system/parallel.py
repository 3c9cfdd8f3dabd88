"""Work on several threads, results in order, and only a few of them in memory at once."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def ordered(function: Callable[[Item], Result], items: Iterable[Item], num_threads: int = 2, ahead: int = 8) -> Iterator[Result]:
    """Yields `function(item)` for every item, in the items' order.

    Args:
        function: What to do; worth it where it releases the interpreter's lock (reading, decoding, hashing).
        items: Taken as they are needed, never all at once.
        num_threads: Threads that work.
        ahead: How many results may wait for the consumer: what bounds the memory.
    """
    waiting: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(num_threads) as pool:
        try:
            for item in items:
                waiting.append(pool.submit(function, item))
                if len(waiting) > ahead:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
