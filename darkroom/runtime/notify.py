"""Notifying: one message to a webhook when a run has ended or a champion was chosen: what happened, why, and where to look.

The address is a secret: it comes from the environment, and nothing here prints, logs or raises it.
"""

import http.client
import json
import os
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

ADDRESS = "DARKROOM_WEBHOOK_URL"
WAITS_S = (0.5, 1.5, 0.0)  # after each try
TIMEOUT_S = 3.0  # for an answer to one try
PATIENCE_S = 9.0  # for everything: no run waits longer than this

Kind = Literal["success", "failure", "promotion", "refusal", "schedule_failing"]


@dataclass(frozen=True)
class Message:
    """What a person is told.

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
    """A text that calls nobody and hides no address in Slack, where `<!channel>` and `<address|words>` would: a class may be named so."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def notify(message: Message) -> str:
    """Sends a message to the webhook, if there is one; a dead webhook costs some seconds and nothing else.

    Args:
        message: What is told.

    Returns:
        Why it could not be delivered, in words that don't name the address; empty where it was, or where no webhook is set.
    """
    address = os.environ.get(ADDRESS, "")
    if not address:
        return ""
    if not address.startswith(("http://", "https://")):
        return f"{ADDRESS} is no address that starts with http:// or https://"
    problem = [f"the webhook did not answer within {PATIENCE_S:g} s"]
    data = json.dumps(message.body(), ensure_ascii=False).encode()
    sender = threading.Thread(target=lambda: problem.insert(0, _send(address, data)), daemon=True)
    sender.start()
    sender.join(PATIENCE_S)  # a thread, because nothing else bounds a slow name server or an answer that comes in drops
    return problem[0]


def _send(address: str, data: bytes) -> str:
    """Tries until the webhook takes the message, or refuses it for good."""
    reason, num_tries, deadline = "", 0, time.monotonic() + PATIENCE_S
    for wait_s in WAITS_S:
        reason, final = _try(address, data)
        num_tries += 1
        if not reason:
            return ""
        if final or time.monotonic() + wait_s > deadline:
            break
        time.sleep(wait_s)
    return f"the webhook did not take the message: {reason} ({num_tries} {'try' if num_tries == 1 else 'tries'})"


def _try(address: str, data: bytes) -> tuple[str, bool]:
    """What went wrong, empty for nothing, and whether another try would be in vain."""
    try:
        request = urllib.request.Request(address, data, {"Content-Type": "application/json"}, method="POST")
        urllib.request.build_opener(_NoRedirect).open(request, timeout=TIMEOUT_S).close()
    except urllib.error.HTTPError as error:
        error.close()
        return f"HTTP {error.code}", error.code < 500 and error.code not in (408, 429)
    except TimeoutError:
        return f"no answer within {TIMEOUT_S:g} s", False
    except urllib.error.URLError as error:
        return _in_words(error.reason), False
    except (ValueError, http.client.InvalidURL):
        return f"{ADDRESS} can't be read as an address", True
    except Exception as error:  # whatever else it is: a traceback would show the address
        return _in_words(error), False
    return "", False


def _in_words(error: Any) -> str:
    """The kind of a failure: a library's own sentence may quote the address."""
    if isinstance(error, TimeoutError):
        return f"no answer within {TIMEOUT_S:g} s"
    kinds = {ConnectionRefusedError: "the connection is refused", ConnectionError: "the connection broke"}
    return next((words for kind, words in kinds.items() if isinstance(error, kind)), f"it can't be reached ({type(error).__name__})")


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A webhook that moved is a mistake to mend; the message goes nowhere else."""

    def redirect_request(self, *arguments: Any, **options: Any) -> None:
        return None
