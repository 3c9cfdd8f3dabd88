"""Folders of this user's own, outside the project."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def user_folder(name: str) -> Iterator[Path]:
    """A permanent folder that only this user may read, or a temporary one if this user has no home.

    Args:
        name: What is kept there.
    """
    try:
        folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "darkroom" / name
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
    except (OSError, RuntimeError):  # the second where a user without a name has no HOME either
        with tempfile.TemporaryDirectory(prefix=f"darkroom-{name}-") as temporary:
            yield Path(temporary)
        return
    yield folder
