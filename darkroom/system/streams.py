"""Standard input and output in UTF-8, whatever the locale says; what a terminal can't show is spelled out."""

import codecs
import errno
import json
import locale
import os
import sys

_STANDARD = (0, 1, 2)
_SPELLED = "spelled"


def _spell(error: UnicodeError) -> tuple[str, int]:
    """Characters as JSON spells them: what is printed as JSON stays JSON."""
    assert isinstance(error, UnicodeEncodeError)
    return json.dumps(error.object[error.start : error.end])[1:-1], error.end


codecs.register_error(_SPELLED, _spell)


def use_utf8() -> None:
    """Starts this program again in Python's UTF-8 mode, where the locale's encoding is another: files' names are UTF-8 too.

    The terminal is still written to in its own encoding. Child processes talk to each other in UTF-8.
    """
    encoding = locale.getencoding().lower().replace("_", "-")
    if sys.flags.utf8_mode or "utf8" in sys._xoptions or encoding in ("utf-8", "utf8"):
        os.environ["PYTHONUTF8"] = "1"
        os.environ["PYTHONIOENCODING"] = "utf-8:backslashreplace"
        return
    os.environ["PYTHONIOENCODING"] = f"{getattr(sys.stdout, 'encoding', None) or encoding}:backslashreplace"
    os.execv(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]])


def open_streams() -> None:
    """Makes output replace what it can't show, and lets a stream that is closed lead nowhere: else the next file takes its place."""
    for number in _STANDARD:
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # it gets the lowest number that is free
    sys.stdout = sys.stdout or os.fdopen(1, "w", encoding="utf-8")
    sys.stderr = sys.stderr or os.fdopen(2, "w", encoding="utf-8")
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors=_SPELLED)  # type: ignore[union-attr]


def output_fault(raised: BaseException | None = None) -> str | None:
    """What keeps standard output from being written, which leads nowhere from then on.

    Args:
        raised: An error that may be about it: one that names no file.

    Returns:
        A sentence; an empty one where its reader has gone, as `head` does; nothing where all was written.
    """
    try:
        if isinstance(raised, OSError) and raised.errno and not raised.filename:
            print()  # what could not be written may be lost, so that there is nothing to flush
        sys.stdout.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        gone = error.errno == errno.EPIPE
        return "" if gone else f"standard output can't be written ({error.strerror}): look at where it is redirected to"
    return None
