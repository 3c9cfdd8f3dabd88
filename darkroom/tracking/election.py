"""Elections between processes over tags in MLflow, which can't compare and swap: to read and to write is all that they need.

Each candidate is written down before it looks at the others for the last time: of two, the one that looks later sees the other.
Processes of earlier versions take part by the same tags, so neither the tags nor the order of candidates can change.
"""

import time
from collections.abc import Callable, Mapping
from typing import Any

Rank = tuple[Any, ...]


def elect(own: Rank, others: Callable[[], Mapping[str, Rank]], *, queue: bool, poll_s: float) -> str:
    """Waits until it is decided whether a candidate is elected.

    Args:
        own: The candidate's rank; the smallest goes first.
        others: Looks up the ranks of all other living candidates, by their keys; called again and again.
        queue: Whether the candidate waits for those ahead of it, which end, and ignores those behind. Otherwise it gives way to
            those ahead, and waits until those behind have given way: then ranks may be wrong, such as times of several clocks.
        poll_s: Seconds between two looks.

    Returns:
        Empty where the candidate is elected, else the key of the one that it gives way to.
    """
    while True:
        ranks = others()
        ahead = [key for key, rank in ranks.items() if rank < own]
        if ahead and not queue:
            return min(ahead, key=lambda key: ranks[key])
        if not (ahead if queue else ranks):
            return ""
        time.sleep(poll_s)
