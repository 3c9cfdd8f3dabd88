"""Notifications: one message to a webhook when a run has ended or a champion was chosen: what happened, why, and where to look.

The address is a secret: it comes from the environment, and nothing here prints, logs or raises it.
"""

import json
import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from darkroom.system.web import retrying, root_cause
from darkroom.tracking.tags import WEBHOOK_URL

NUM_RETRIES, BACKOFF_S = 2, 0.75
PASSING = (408, 429, *range(500, 600))  # statuses after which another try may succeed
TIMEOUT_S = 3.0  # for an answer to one try
PATIENCE_S = 9.0  # for everything: no run waits longer than this

Kind = Literal["success", "failure", "promotion", "refusal", "schedule_failing"]


@dataclass(frozen=True)
class Message:
    """What the webhook is told.

    Attributes:
        kind: `promotion` (a new champion), `refusal` (a new model that is none), `success` (a run that ended well without
            a new model), `failure`, or `schedule_failing`.
        what: One short line.
        why: One sentence.
        links: Addresses and paths by name.
        facts: Further values by name, for programs.
    """

    kind: Kind
    what: str
    why: str
    links: Mapping[str, str] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)

    def body(self) -> dict[str, Any]:
        """The JSON that is sent; Slack and what imitates it show `text`."""
        lines = [f"*{_plain(self.what)}*", _plain(self.why), *(f"{name}: {_plain(address)}" for name, address in self.links.items())]
        parts = {"event": self.kind, "what": self.what, "why": self.why, "links": dict(self.links)}
        return {"text": "\n".join(line for line in lines if line), **parts, **self.facts}


def _plain(text: str) -> str:
    """Escapes what Slack reads as markup: a class named `<!channel>` would notify everybody, `<address|words>` would hide an address."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def notify(message: Message) -> str:
    """Sends a message to the webhook, if there is one; a dead webhook costs some seconds and nothing else.

    Args:
        message: What is sent.

    Returns:
        Why it could not be delivered, in words that don't name the address; empty where it was, or where no webhook is set.
    """
    address = os.environ.get(WEBHOOK_URL, "")
    if not address:
        return ""
    if not address.startswith(("http://", "https://")):
        return f"{WEBHOOK_URL} is no address that starts with http:// or https://"
    problem = [f"the webhook did not answer within {PATIENCE_S:g} s"]
    data = json.dumps(message.body(), ensure_ascii=False).encode()
    sender = threading.Thread(target=lambda: problem.insert(0, _send(address, data)), daemon=True)
    sender.start()
    sender.join(PATIENCE_S)  # a thread, because nothing else bounds a slow name server or an answer that comes in drops
    return problem[0]


def _send(address: str, data: bytes) -> str:
    """What went wrong; empty where the webhook took the message. A redirection is not followed: the message goes nowhere else."""
    try:
        with retrying(NUM_RETRIES, BACKOFF_S, PASSING) as session:
            options = {"headers": {"Content-Type": "application/json"}, "timeout": TIMEOUT_S, "allow_redirects": False}
            status = session.post(address, data, **options).status_code
    except Exception as error:  # any: a traceback would show the address, and the caller prints what is returned
        return f"the webhook did not take the message: {_in_words(error)}"
    return "" if status < 300 else f"the webhook did not take the message: HTTP {status}"


def _in_words(error: Exception) -> str:
    """The kind of a failure: a library's own sentence may quote the address."""
    if isinstance(error, ValueError):
        return f"{WEBHOOK_URL} can't be read as an address"
    cause = root_cause(error)
    if isinstance(cause, TimeoutError):
        return f"no answer within {TIMEOUT_S:g} s"
    kinds = {ConnectionRefusedError: "the connection is refused", ConnectionError: "the connection broke"}
    return next((words for kind, words in kinds.items() if isinstance(cause, kind)), f"it can't be reached ({type(cause).__name__})")
