"""The registry at the command line: the versions of a model and why they were promoted, and the alias `champion` moved by hand."""

import json
from collections.abc import Mapping
from typing import Any

from darkroom.registry import registry
from darkroom.registry.champion import Move, alias_lock, move, moves, previous_champion
from darkroom.registry.registry import CHAMPION, Version
from darkroom.system.errors import InputError
from darkroom.tracking.runs import use_store
from darkroom.tracking.tags import BY_HAND, DATA_VERSION, DECISION, INTERVAL_TAG, REASON, VARIANT

MEASURES = ("accuracy", "balanced_accuracy", "f1_macro")  # that a version's tags carry


def overview(name: str = "") -> list[dict[str, Any]]:
    """All models of the registry, or one, with their versions.

    Args:
        name: A model, or empty for all.

    Returns:
        A dictionary a model: `name`, `champion` (a number, or none), `versions` (newest first) and `moves` of the alias.

    Raises:
        InputError: There is no such model.
    """
    use_store()
    names = [existing_name(name)] if name else registry.model_names()
    return [_model(one) for one in names]


def promote(reference: str, reason: str) -> dict[str, Any]:
    """Makes a version the champion by hand; where it is the champion already, nothing is changed.

    Args:
        reference: `name/version`.
        reason: Why, for whoever asks later.

    Returns:
        `name`, `version`, `previous` (0 for none), `moved`, and `why`: who did it, when and for which reason.

    Raises:
        InputError: There is no such version, or the reason is empty.
    """
    use_store()
    if not reason.strip():
        raise InputError("--reason is empty: say why, it stays with the model")
    version = _find(reference)
    return _move(version, "promote", reason.strip())


def rollback(name: str, reason: str = "") -> dict[str, Any]:
    """Moves the alias back to the previous champion.

    Args:
        name: The model.
        reason: Why, for whoever asks later.

    Returns:
        As `promote`.

    Raises:
        InputError: There is no such model, or no previous champion.
    """
    use_store()
    existing_name(name)
    with alias_lock(name):
        now = registry.aliases(name).get(CHAMPION)
        if now is None:
            raise InputError(f"{name} has no champion, so nothing can be rolled back: make one with `darkroom promote {name}/VERSION`")
        version = previous_champion(name)
        if version is None:
            raise InputError(f"there is no champion of {name} before version {now}: choose one with `darkroom promote {name}/VERSION`")
        move(version, "rollback", reason.strip() or "no reason was given")
        why = _note(version, moves(name)[-1])
    return {"name": name, "version": version.number, "previous": now, "moved": True, "why": why}


def existing_name(name: str) -> str:
    """The name, if the registry has a model of it.

    Raises:
        InputError: There is no such model.
    """
    names = registry.model_names()
    if name not in names:
        listed = ", ".join(names[:20]) or "none yet: train one with `darkroom run`"
        raise InputError(f"there is no model {name!r}: the registry has {listed}")
    return name


def _find(reference: str) -> Version:
    name, slash, number = reference.removeprefix("models:/").rpartition("/")
    if not slash or not number.isdecimal():
        raise InputError(f"{reference!r} names no version: give it as name/number, such as digits/3")
    found = {version.number: version for version in registry.versions(existing_name(name))}
    if int(number) not in found:
        raise InputError(f"{name} has no version {number}: it has {', '.join(map(str, sorted(found))) or 'none'}")
    return found[int(number)]


def _move(version: Version, how: Any, reason: str) -> dict[str, Any]:
    with alias_lock(version.name):
        now, why = registry.aliases(version.name).get(CHAMPION, 0), ""
        if now != version.number:
            move(version, how, reason)
            why = _note(version, moves(version.name)[-1])
    return {"name": version.name, "version": version.number, "previous": now, "moved": now != version.number, "why": why}


def _note(version: Version, last: Move) -> str:
    """Tags the version with what was done by hand; returns that sentence."""
    done = "promoted" if last.how == "promote" else f"rolled back to, from version {last.previous},"
    text = f"{done} by {last.who} at {last.when}: {last.why}"
    registry.set_tags(version, {BY_HAND: text})
    return text


def _model(name: str) -> dict[str, Any]:
    aliases = registry.aliases(name)
    return {
        "name": name,
        "champion": aliases.get(CHAMPION),
        "versions": [_version(version, aliases) for version in registry.versions(name)],
        "moves": [{field: value for field, value in vars(one).items() if field != "sealed"} for one in moves(name)],
    }


def _version(version: Version, aliases: Mapping[str, int]) -> dict[str, Any]:
    tags = version.tags
    return {
        "version": version.number,
        "aliases": sorted(alias for alias, number in aliases.items() if number == version.number),
        "run_id": version.run_id,
        "data_version": tags.get(DATA_VERSION, ""),
        "variant": tags.get(VARIANT, ""),
        "metrics": {name: _measure(tags, name) for name in MEASURES if name in tags},
        "decision": tags.get(DECISION, ""),
        "reason": tags.get(REASON, ""),
        "by_hand": tags.get(BY_HAND, ""),
    }


def _measure(tags: Mapping[str, str], name: str) -> dict[str, float]:
    """A measure's value with its interval, where the version carries one."""
    low_high: dict[str, float] = json.loads(tags.get(INTERVAL_TAG.format(name), "{}"))
    return {"value": float(tags[name]), **low_high}
