"""Secrets: what must stand in no log, bundle or report, and how it is taken out of a text."""

import os
import re

HIDDEN = "***"
_SECRET_NAME = re.compile(r"(?i)pass|secret|token|credential|api_?key|access_?key|private|webhook|auth|cookie|session")
_IN_ADDRESS = re.compile(r"(?<=://)[^/\s@'\"]+(?=@)")
_GIVEN = re.compile(r"(?i)\b((?:[\w-]*(?:password|passwd|secret|token|api_?key|access_?key))['\"]?\s*[=:]\s*['\"]?)([^\s'\",;&]{4,})")
_BEARER = re.compile(r"(?i)\b(bearer|basic)\s+[\w.+/=-]{8,}")
_MIN_LENGTH = 6  # shorter values of variables would hide ordinary words


def redact(text: str) -> str:
    """A text without secrets: values of variables that are named like one, credentials in addresses, and what follows `password=`."""
    for value in _values():
        text = text.replace(value, HIDDEN)
    text = _IN_ADDRESS.sub(HIDDEN, text)
    text = _BEARER.sub(rf"\1 {HIDDEN}", text)
    return _GIVEN.sub(rf"\1{HIDDEN}", text)


def _values() -> list[str]:
    """Values of this process's variables that are named like secrets, and the passwords in addresses, longest first."""
    named = {value for name, value in os.environ.items() if _SECRET_NAME.search(name) and len(value) >= _MIN_LENGTH}
    within = {match for value in os.environ.values() for match in _IN_ADDRESS.findall(value)}
    passwords = {found.partition(":")[2] for found in within}
    return sorted({*named, *(found for found in passwords if len(found) >= _MIN_LENGTH)}, key=len, reverse=True)
