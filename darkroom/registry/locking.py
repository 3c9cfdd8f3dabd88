"""Locking: who alone may move a model's aliases for a moment, because MLflow can't compare and swap.

On an SQLite store it is a lock on a file beside the database, which ends with its process. On a server it is Lamport's
bakery over tags of the registered model: it needs nothing but reading and writing, each process writes only its own tag,
and no clock has to be right. A tag whose process is known to be dead, or that has stood still for `PATIENCE_S`, is removed.
"""

import fcntl
import json
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from darkroom.system.processes import is_dead, owner_tags
from darkroom.tracking.client import client, tracking_uri
from darkroom.tracking.tags import ALIAS_TICKET

PATIENCE_S = 120.0  # the work under a lock takes a few requests
_POLL_S = 0.2


@contextmanager
def holding(name: str) -> Iterator[None]:
    """Holds the aliases of a registered model, which exists, until the block ends; waits for others first."""
    uri = tracking_uri()
    with file_lock(Path(uri.removeprefix("sqlite:///"))) if uri.startswith("sqlite:///") else bakery(name):
        yield


@contextmanager
def file_lock(database: Path) -> Iterator[None]:
    """Holds a lock on a file beside an SQLite database."""
    with database.with_name(f"{database.name}.aliases.lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def bakery(name: str) -> Iterator[None]:
    """Takes a ticket that is larger than all others, then waits for those that are smaller.

    Args:
        name: A registered model; its tags hold the tickets.

    Source:
        Lamport 1974, A new solution of Dijkstra's concurrent programming problem.
    """
    store, key = client(), f"{ALIAS_TICKET}{uuid.uuid4().hex[:12]}"
    try:
        _write(store, name, key, 0)  # 0: choosing
        ticket = 1 + max(int(claim["ticket"]) for claim in _claims(store, name).values())
        _write(store, name, key, ticket)
        _wait(store, name, key, ticket)
        yield
    finally:
        store.delete_registered_model_tag(name, key)


def _wait(store: Any, name: str, key: str, ticket: int) -> None:
    seen: dict[str, tuple[str, float]] = {}
    while True:
        ahead = {
            other: claim
            for other, claim in _claims(store, name).items()
            if other != key and (claim["ticket"] == 0 or (claim["ticket"], other) < (ticket, key))
        }
        if not ahead:
            return
        for other, claim in ahead.items():
            text = json.dumps(claim)
            if seen.get(other, ("", 0.0))[0] != text:
                seen[other] = (text, time.monotonic())
            if is_dead(claim["owner"]) or time.monotonic() - seen[other][1] > PATIENCE_S:
                store.delete_registered_model_tag(name, other)
        time.sleep(_POLL_S)


def _claims(store: Any, name: str) -> dict[str, Mapping[str, Any]]:
    tags = store.get_registered_model(name).tags
    return {key: json.loads(value) for key, value in tags.items() if key.startswith(ALIAS_TICKET)}


def _write(store: Any, name: str, key: str, ticket: int) -> None:
    store.set_registered_model_tag(name, key, json.dumps({"ticket": ticket, "owner": owner_tags()}))
