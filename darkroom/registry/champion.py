"""The champions of a model: every move of the alias, with who, when and why; the previous champion; the lock on the alias.

A move is a tag of the registered model, written before the alias moves and sealed after; only the process that has the lock on
the model's aliases (see `alias_lock`) writes one. A move that a crash prevented is overwritten by the next.
"""

import json
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal

from darkroom.registry.registry import CHAMPION, Version, aliases, set_alias, versions
from darkroom.system.locks import locked
from darkroom.system.processes import is_dead, owner_tags, user
from darkroom.tracking.client import client, database
from darkroom.tracking.election import Rank, elect
from darkroom.tracking.tags import ALIAS_TICKET, CHAMPION_MOVE

PATIENCE_S = 120.0  # the work under the lock takes a few requests; a ticket that has not changed for longer is removed
_POLL_S = 0.2
How = Literal["gate", "promote", "rollback", "outside"]


@dataclass(frozen=True)
class Move:
    """A move of the alias `champion`.

    Attributes:
        version: The version that has the alias from then on.
        previous: The one that had it, 0 for none.
        how: By the `gate` of a run, by hand (`promote`, `rollback`), or `outside` of Darkroom, such as on MLflow's page.
        who: User.
        when: UTC, ISO 8601; of a move outside when it was found.
        why: The reason.
        sealed: Whether the alias is known to have moved; a crash may have prevented it where it is false.
    """

    version: int
    previous: int
    how: How
    who: str
    when: str
    why: str
    sealed: bool = True


def moves(name: str) -> list[Move]:
    """All moves, oldest first, without one that a crash prevented."""
    tags = client().get_registered_model(name).tags
    found = [Move(**json.loads(tags[key])) for key in sorted(tags) if key.startswith(CHAMPION_MOVE)]
    now = aliases(name).get(CHAMPION, 0)
    if found and not found[-1].sealed and found[-1].version != now:
        found.pop()
    return found


def move(version: Version, how: How, why: str) -> None:
    """Makes a version the champion and records that; the caller has the lock on the aliases, and it is not the champion yet."""
    name, known = version.name, moves(version.name)
    now = aliases(name).get(CHAMPION, 0)
    if now != (known[-1].version if known else 0):
        _record(name, len(known) + 1, Move(now, known[-1].version if known else 0, "outside", "unknown", _now(), "found so"))
        known = moves(name)
    next_one = Move(version.number, now, how, user(), _now(), why, sealed=False)
    _record(name, len(known) + 1, next_one)
    set_alias(version, CHAMPION)
    _record(name, len(known) + 1, replace(next_one, sealed=True))


def seal(name: str) -> None:
    """Seals the last move, whose alias has moved, where a crash prevented that it was sealed."""
    known = moves(name)
    if known and not known[-1].sealed:
        _record(name, len(known), replace(known[-1], sealed=True))


def previous_champion(name: str) -> Version | None:
    """The champion before the present one; a version that was rolled back from, or that is deleted, doesn't count."""
    succession: list[int] = []
    for one in moves(name):
        back = [index for index, number in enumerate(succession[:-1]) if number == one.version]
        if one.how == "rollback" and back:
            del succession[back[-1] + 1 :]
        else:
            succession.append(one.version)
    now, there = aliases(name).get(CHAMPION, 0), {version.number: version for version in versions(name)}
    if succession and succession[-1] != now:  # moved outside of Darkroom
        succession.append(now)
    return next((there[number] for number in reversed(succession[:-1]) if number in there and number != now), None)


def _record(name: str, number: int, move: Move) -> None:
    client().set_registered_model_tag(name, f"{CHAMPION_MOVE}{number:04d}", json.dumps(asdict(move), ensure_ascii=False))


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


@contextmanager
def alias_lock(name: str) -> Iterator[None]:
    """Locks the aliases of an existing registered model while the block runs; waits for other processes that move them.

    On an SQLite store it is a lock on a file beside the database, on a server it is `ticket_lock`.
    """
    path = database()
    with locked(path.with_name(f"{path.name}.aliases.lock")) if path else ticket_lock(name):
        yield


@contextmanager
def ticket_lock(name: str) -> Iterator[None]:
    """Takes a ticket that is larger than all others, then waits for those that are smaller; no clock has to be right.

    Args:
        name: A registered model; its tags are the tickets, each of which only its own process writes.

    Source:
        Lamport 1974, A new solution of Dijkstra's concurrent programming problem.
    """
    store, key = client(), f"{ALIAS_TICKET}{uuid.uuid4().hex[:12]}"
    try:
        _write_ticket(name, key, 0)  # 0: about to choose
        ticket = 1 + max(int(other["ticket"]) for other in _tickets(name).values())
        _write_ticket(name, key, ticket)
        ahead = _TicketsAhead(name, (ticket, key))
        elect(ahead.own, ahead, queue=True, poll_s=_POLL_S)
        yield
    finally:
        store.delete_registered_model_tag(name, key)


class _TicketsAhead:
    """The tickets that go before one; removes those of dead processes."""

    def __init__(self, name: str, own: tuple[int, str]) -> None:
        self.own = own
        self._name, self._seen = name, dict[str, tuple[Mapping[str, Any], float]]()

    def __call__(self) -> dict[str, Rank]:
        tickets = {(int(ticket["ticket"]), key): ticket for key, ticket in _tickets(self._name).items()}
        ahead = {rank: ticket for rank, ticket in tickets.items() if rank < self.own}
        dead = [rank for rank, ticket in ahead.items() if self._is_dead(rank[1], ticket)]
        for _, key in dead:
            client().delete_registered_model_tag(self._name, key)
        return {rank[1]: rank for rank in ahead if rank not in dead}

    def _is_dead(self, key: str, ticket: Mapping[str, Any]) -> bool:
        """Whether the process that wrote a ticket has ended, or has not changed it for too long."""
        before, since = self._seen.get(key, ({}, 0.0))
        if before != ticket:
            since = time.monotonic()
            self._seen[key] = (ticket, since)
        return is_dead(ticket["owner"]) or time.monotonic() - since > PATIENCE_S


def _tickets(name: str) -> dict[str, Mapping[str, Any]]:
    tags = client().get_registered_model(name).tags
    return {key: json.loads(value) for key, value in tags.items() if key.startswith(ALIAS_TICKET)}


def _write_ticket(name: str, key: str, ticket: int) -> None:
    client().set_registered_model_tag(name, key, json.dumps({"ticket": ticket, "owner": owner_tags()}))
