"""The versions of a model in MLflow's registry: what they carry, and which of them is the champion."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from darkroom.system.errors import InputError
from darkroom.tracking.client import client, is_tracked
from darkroom.tracking.search import all_pages
from darkroom.tracking.tags import DECISION, REASON, SHA256

CHAMPION, CHALLENGER = "champion", "challenger"
_ABOUT = """An image classifier that Darkroom trains.

- `champion` is the version in use: `darkroom predict {name}@champion IMAGE`. It moves only to a version that the gate lets pass.
- `challenger` is the newest version that the gate did not let pass; its tag `{reason}` says why.
- `darkroom models {name}` shows all versions with their measures; `darkroom promote` and `darkroom rollback` move `champion` by hand.
"""
_ODD = re.compile(r"[/:'\"`\\\x00-\x1f]")


@dataclass(frozen=True)
class Version:
    """A version of a registered model.

    Attributes:
        name: The model's name.
        number: 1, 2, 3 ...
        run_id: The run that made it.
        tags: What is known of it, see the constants of this module.
    """

    name: str
    number: int
    run_id: str
    tags: Mapping[str, str]


def safe_name(text: str) -> str:
    """A name that the registry takes, made from any text: slashes, colons, quotes and control characters become `-`."""
    name = _ODD.sub("-", text).strip()[:200]
    return name if name.strip(". ") else "model"


def check_name(name: str) -> None:
    """Refuses a name that the registry can't keep.

    Raises:
        InputError: The name is empty, or holds a slash, colon, quote or control character.
    """
    if name != safe_name(name):
        raise InputError(
            f"{name!r} can't be a model's name (no slash, colon, quote): set register.name, for example to {safe_name(name)!r}"
        )


def model_names() -> list[str]:
    """The names of all registered models, in their order; none where there is no store."""
    return sorted(model.name for model in all_pages(client().search_registered_models, max_results=1000)) if is_tracked() else []


def versions(name: str) -> list[Version]:
    """All versions of a model, newest first; none where there is no such model."""
    check_name(name)
    found = all_pages(client().search_model_versions, f"name = '{name}'", max_results=1000)
    return sorted(map(_version, found), key=lambda version: -version.number)


def named_version(reference: str) -> Version | None:
    """The version that `NAME@ALIAS` or `NAME/NUMBER` means, or nothing where there is none."""
    name, at, label = reference.partition("@") if "@" in reference else reference.rpartition("/")
    if not name or name != safe_name(name):
        return None
    number = aliases(name).get(label) if at == "@" else int(label) if label.isdecimal() else None
    return next((version for version in versions(name) if version.number == number), None)


def find_version(name: str, sha256: str) -> Version | None:
    """The first version of a model that holds exactly this bundle."""
    return next((version for version in reversed(versions(name)) if version.tags.get(SHA256) == sha256), None)


def drop_twins(version: Version) -> None:
    """Deletes versions of the same model by the same run: the server's answer was lost, and MLflow asked for it again."""
    for other in versions(version.name):
        same = (other.run_id, other.tags.get(SHA256)) == (version.run_id, version.tags.get(SHA256))
        if same and other.number != version.number and DECISION not in other.tags:
            client().delete_model_version(other.name, str(other.number))


def aliases(name: str) -> dict[str, int]:
    """Version numbers by alias."""
    from mlflow.exceptions import MlflowException

    try:
        found = client().get_registered_model(name).aliases
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return {}
    return {alias: int(number) for alias, number in found.items()}


def alias_of(version: Version) -> str:
    """The version's alias, `champion` before all others; empty where it has none."""
    own = [alias for alias, number in aliases(version.name).items() if number == version.number]
    return CHAMPION if CHAMPION in own else min(own, default="")


def champion(name: str) -> Version | None:
    """The version with the alias `champion`."""
    number = aliases(name).get(CHAMPION)
    return None if number is None else get_version(name, number)


def champion_or_newest(name: str) -> Version | None:
    """The champion; of a model without one the newest version that was registered completely, a challenger."""
    return champion(name) or next((version for version in versions(name) if DECISION in version.tags), None)


def get_version(name: str, number: int) -> Version:
    """A version by its number."""
    return _version(client().get_model_version(name, str(number)))


def ensure_model(name: str) -> None:
    """Makes a registered model, without a version, where there is none."""
    from mlflow.exceptions import MlflowException

    check_name(name)
    try:
        client().create_registered_model(name, description=_ABOUT.format(name=name, reason=REASON))
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise


def register_version(name: str, run_id: str, model_id: str, tags: Mapping[str, str], description: str) -> Version:
    """Adds a version to a model, and the model where there is none.

    Args:
        name: The model's name.
        run_id: The run that made it.
        model_id: The logged model, see `darkroom.registry.package.log_bundle`.
        tags: What is known of it, `SHA256` among it.
        description: Markdown for a person.

    Returns:
        The version; where the server's answer was lost and MLflow has asked again, the first of the two, see `drop_twins`.
    """
    ensure_model(name)
    made = client().create_model_version(name, f"models:/{model_id}", run_id, dict(tags), description=description, model_id=model_id)
    return find_version(name, tags[SHA256]) or _version(made)


def set_tags(version: Version, tags: Mapping[str, str]) -> None:
    """Adds tags to a version, or replaces their values."""
    for tag, value in tags.items():
        client().set_model_version_tag(version.name, str(version.number), tag, value)


def set_alias(version: Version, alias: str) -> None:
    """Moves an alias to a version; a new champion is no challenger any more."""
    store, other = client(), aliases(version.name)
    store.set_registered_model_alias(version.name, alias, str(version.number))
    if alias == CHAMPION and other.get(CHALLENGER) == version.number:
        store.delete_registered_model_alias(version.name, CHALLENGER)


def _version(entry: Any) -> Version:
    return Version(entry.name, int(entry.version), entry.run_id, dict(entry.tags))
