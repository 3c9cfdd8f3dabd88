"""The exit status of the modules that a Makefile starts: 0 done, 2 a mistake of the user's."""

import sys
from collections.abc import Callable

from darkroom.system.errors import InputError


def exit_status(work: Callable[[], object]) -> int:
    """Does the work; prints the sentence where the user made a mistake.

    Args:
        work: A call without arguments.
    """
    try:
        work()
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0
