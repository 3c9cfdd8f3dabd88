"""Secrets: what no log, bundle or report may contain, and how it is removed from a text."""

import json
import os
import re
from urllib.parse import quote, quote_plus, unquote, urlsplit

HIDDEN = "***"
_SECRET_NAME = re.compile(r"(?i)pass|secret|token|credential|api_?key|access_?key|private|webhook|auth(?!or)|cookie|session")
_IN_ADDRESS = re.compile(r"(?<=://)[^/\s@'\"]+(?=@)")
_GIVEN = re.compile(r"(?i)\b((?:[\w-]*(?:password|passwd|secret|token|api_?key|access_?key))['\"]?\s*[=:]\s*['\"]?)([^\s'\",;&]{4,})")
_SIGNED = re.compile(r"(?i)([?&](?:[\w-]*(?:signature|credential)|sig|awsaccesskeyid|googleaccessid|policy)=)[^\s'\",;&]+")
_BEARER = re.compile(r"(?i)\b(bearer|basic)\s+[\w.+/=-]{8,}")
_MIN_LENGTH = 6  # shorter values of variables would hide ordinary words


def redact(text: str) -> str:
    """A text without secrets.

    Hidden are values of variables that are named like one, credentials in addresses and what signs them, and what follows `password=`.
    """
    for value in _values():
        text = text.replace(value, HIDDEN)
    text = _IN_ADDRESS.sub(HIDDEN, text)
    text = _SIGNED.sub(rf"\1{HIDDEN}", text)
    text = _BEARER.sub(rf"\1 {HIDDEN}", text)
    return _GIVEN.sub(rf"\1{HIDDEN}", text)


def is_secret(name: str, value: str) -> bool:
    """Whether a variable of the environment is named like a secret, or is an address with credentials in it."""
    return bool(_SECRET_NAME.search(name) or _IN_ADDRESS.search(value))


def _values() -> list[str]:
    """Values of this process's variables that are named like secrets, and the passwords in addresses, longest first."""
    named = {value for name, value in os.environ.items() if _SECRET_NAME.search(name)}
    within = {match for value in os.environ.values() for match in _IN_ADDRESS.findall(value)}
    found = {*named, *(match.partition(":")[2] for match in within)}
    return sorted((form for value in found if len(value) >= _MIN_LENGTH for form in _forms(value)), key=len, reverse=True)


def _forms(value: str) -> set[str]:
    """The forms in which a secret may stand in a text: plain, in an address, in JSON, as Python shows it."""
    path = urlsplit(value).path if value.startswith(("http://", "https://")) else ""  # the part of an address that errors quote
    return {
        value,
        path if len(path) >= 2 * _MIN_LENGTH else value,
        quote(value),
        quote(value, safe=""),
        quote_plus(value),
        unquote(value),
        json.dumps(value)[1:-1],
        repr(value)[1:-1],
    }
