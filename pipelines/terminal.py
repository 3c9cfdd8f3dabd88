"""What a stranger named, in a terminal: file names and classes may hold characters that command it."""

import re

_COMMANDS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def visible(text: str) -> str:
    """A text whose control characters (but tabs and line ends), and those that turn the writing round, are spelled out."""
    spelled = _COMMANDS.sub(lambda match: match[0].encode("unicode_escape").decode(), text)
    return spelled.encode("utf-8", "backslashreplace").decode()
