"""The champions of a model: every move of the alias, with who, when and why, and the way back.

A move is a tag of the registered model, written before the alias moves and sealed after; only whoever holds the model's
aliases (see `darkroom.registry.locking`) writes one. A move that a crash kept from happening is overwritten by the next.
"""

import json
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Literal

from darkroom.registry.registry import CHAMPION, Version, aliases, set_alias, versions
from darkroom.system.processes import user
from darkroom.tracking.client import client
from darkroom.tracking.tags import CHAMPION_MOVE

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
        sealed: Whether the alias has moved; one that is not may have been kept from it by a crash.
    """

    version: int
    previous: int
    how: How
    who: str
    when: str
    why: str
    sealed: bool = True


def moves(name: str) -> list[Move]:
    """All moves, oldest first; one that a crash kept from happening is not among them."""
    tags = client().get_registered_model(name).tags
    found = [Move(**json.loads(tags[key])) for key in sorted(tags) if key.startswith(CHAMPION_MOVE)]
    now = aliases(name).get(CHAMPION, 0)
    if found and not found[-1].sealed and found[-1].version != now:
        found.pop()
    return found


def move(version: Version, how: How, why: str) -> None:
    """Makes a version the champion and records that; the caller holds the model's aliases, and it is not the champion yet."""
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
    """Seals the last move, whose alias has moved though a crash kept that from being written down."""
    known = moves(name)
    if known and not known[-1].sealed:
        _record(name, len(known), replace(known[-1], sealed=True))


def before(name: str) -> Version | None:
    """The champion before the one that there is now; one that a rollback has left, or that is deleted, doesn't count."""
    way: list[int] = []
    for one in moves(name):
        back = [place for place, number in enumerate(way[:-1]) if number == one.version]
        if one.how == "rollback" and back:
            del way[back[-1] + 1 :]
        else:
            way.append(one.version)
    now, there = aliases(name).get(CHAMPION, 0), {version.number: version for version in versions(name)}
    if way and way[-1] != now:  # moved outside of Darkroom
        way.append(now)
    return next((there[number] for number in reversed(way[:-1]) if number in there and number != now), None)


def _record(name: str, number: int, move: Move) -> None:
    client().set_registered_model_tag(name, f"{CHAMPION_MOVE}{number:04d}", json.dumps(asdict(move), ensure_ascii=False))


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
