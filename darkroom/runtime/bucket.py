"""Checkpoints in object storage: a step works in a folder of its own, whose files are copied to a bucket, for the next machine.

Credentials, endpoint and region come from the environment (`AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_ENDPOINT_URL`
...) or from wherever else s3fs finds them; never from the address.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from botocore.exceptions import BotoCoreError
from s3fs import S3FileSystem

from darkroom.system.errors import InputError
from darkroom.system.secrets import redact

STARTED = "started"  # an empty object, written before the work: who may not write finds out before hours of it
_FAILURES = (OSError, BotoCoreError)
_CONFIG = {
    "connect_timeout": 10,
    "read_timeout": 60,
    "request_checksum_calculation": "when_required",  # stores that only speak like S3 often know no others
    "response_checksum_validation": "when_required",
}


class Bucket:
    """The files of one folder in a bucket; an object appears whole or not at all.

    Two that work on the same at once overwrite each other's files, and the first one that is done removes them: each
    continues undisturbed, but what is found after a kill may be the other's, or nothing.
    """

    def __init__(self, name: str, prefix: str, folder: Path) -> None:
        """Makes a client; nothing is sent yet.

        Args:
            name: The bucket's name.
            prefix: What the objects' keys begin with; this folder's alone.
            folder: The folder on this machine, empty.
        """
        self._root, self._folder, self._sent = f"{name}/{prefix.strip('/')}", folder, dict[str, tuple[int, int]]()
        self._store = S3FileSystem(config_kwargs=_CONFIG, skip_instance_cache=True, use_listings_cache=False)

    def fetch(self) -> None:
        """Downloads what an earlier try left.

        Raises:
            InputError: The environment names no endpoint, or the bucket is not there, can't be reached, or may not be read and written.
        """
        with self._refusing():
            self._store.pipe_file(f"{self._root}/{STARTED}", b"")
            for name in self._names():
                if name != STARTED and self._download(name):
                    self._sent[name] = _state(self._folder / name)

    def send(self) -> None:
        """Copies each finished file that is new or has changed; warns where that fails, and tries again the next time."""
        for path in sorted(self._folder.iterdir()):
            if path.is_file() and not path.name.startswith(".") and self._sent.get(path.name) != (state := _state(path)):
                try:
                    self._store.put_file(str(path), f"{self._root}/{path.name}")
                    self._sent[path.name] = state
                except _FAILURES as error:
                    self._warn(f"{path.name} was not copied to", error, "the work goes on; after a kill it starts from what is there")

    def remove(self) -> None:
        """Removes the copies; warns where that fails."""
        try:
            for name in self._names():
                self._store.rm_file(f"{self._root}/{name}")
        except _FAILURES as error:
            self._warn("copies stay in", error, "no run needs them any more")

    def close(self) -> None:
        """Closes the connections."""
        if self._store._s3 is not None:
            self._store.close_session(self._store.loop, self._store._s3)

    def _names(self) -> list[str]:
        names = (key.removeprefix(f"{self._root}/") for key in self._store.find(self._root))
        return [name for name in names if re.fullmatch(r"\w[\w.-]*", name)]  # others are not ours, and may lead elsewhere

    def _download(self, name: str) -> bool:
        """Whether the object was still there: who worked on the same may have finished since it was listed."""
        with suppress(FileNotFoundError):
            self._store.get_file(f"{self._root}/{name}", str(self._folder / name))
            return True
        return False

    @contextmanager
    def _refusing(self) -> Iterator[None]:
        try:
            yield
        except (*_FAILURES, ValueError) as error:  # ValueError: an endpoint that is no address
            remedy = "correct the address (platform.checkpoints) or what the AWS_... variables say"
            raise InputError(f"checkpoints can't be kept in s3://{self._root}: {_reason(error)}; {remedy}") from None

    def _warn(self, what: str, error: Exception, then: str) -> None:
        print(f"warning: {what} s3://{self._root}: {_reason(error)}; {then}", flush=True)


def _state(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_ino, status.st_mtime_ns


def _reason(error: Exception) -> str:
    """One line without secrets; with the store's own code, such as `NoSuchBucket`, where it answered."""
    details = getattr(error.__cause__, "response", {}).get("Error", {})
    text = f"{details.get('Message') or 'refused'} ({details['Code']})" if "Code" in details else str(error)
    return redact(" ".join(text.split()).rstrip("."))
