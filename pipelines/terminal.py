"""Text for the terminal: names of files and classes, which others chose, may hold characters that control it."""

import re
import sys

_COMMANDS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def visible(text: str) -> str:
    """A text whose control characters (except tabs and line ends), also those that change the writing direction, are spelled out."""
    spelled = _COMMANDS.sub(lambda match: match[0].encode("unicode_escape").decode(), text)
    return spelled.encode("utf-8", "backslashreplace").decode()


def print_note(text: str) -> None:
    """Prints a message for a person to standard error, with its control characters spelled out."""
    print(visible(text), file=sys.stderr)
