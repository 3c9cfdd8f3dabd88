"""Messages to the webhook: how a run ended, and which version a person made champion."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from darkroom.registry.registry import CHAMPION
from darkroom.runtime.notify import Kind, Message, notify
from darkroom.system.secrets import redact
from darkroom.tracking.pages import run_page, version_page
from pipelines.view import Listener


def outcome_message(outcome: Mapping[str, Any]) -> Message:
    """The message about a run that ended well.

    Args:
        outcome: What `darkroom run --json` prints.
    """
    model, decision = outcome["model"], outcome.get("decision", "")
    version = f"{model['name']} version {model['version']}"
    kind: Kind = "success"
    what = f"{version}: the run ended with a model that was registered before"
    if decision and not outcome.get("repeated"):
        promoted = decision == CHAMPION
        kind, what = ("promotion", f"{version} is the new champion") if promoted else ("refusal", f"{version} was not promoted")
    links = {"run": run_page(outcome["run_id"]) or f"darkroom logs {outcome['run_id'][:8]}", "report": outcome["report"]}
    facts = {"run_id": outcome["run_id"], "model": model, "data_version": outcome["data_version"], "metrics": outcome["metrics"]}
    return Message(kind, what, outcome.get("reason", ""), links, facts)


def promotion_message(done: Mapping[str, Any]) -> Message:
    """The message about a champion that a person chose.

    Args:
        done: What `darkroom promote --json` prints.
    """
    model = {"name": done["name"], "version": done["version"], "alias": CHAMPION}
    links = {"model": version_page(done["name"], done["version"]) or f"darkroom models {done['name']}"}
    return Message(
        "promotion", f"{done['name']} version {done['version']} is the new champion", redact(done["why"]), links, {"model": model}
    )


@contextmanager
def failure_notified(name: str, view: Listener) -> Iterator[None]:
    """Sends a message about a failure in the block; the error goes on.

    Args:
        name: What failed, as people know it.
        view: Shows why the webhook took no message.
    """
    try:
        yield
    except Exception as error:
        send(Message("failure", f"{name}: the run failed", redact(str(error)), facts={"error": type(error).__name__}), view)
        raise


def send(message: Message, view: Listener) -> None:
    """Sends a message; where that fails, a person reads why, and nothing else happens."""
    if problem := notify(message):
        view.note(f"note: {problem}")
