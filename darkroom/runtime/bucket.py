"""Checkpoints in object storage: a step works in a folder of its own, whose files stand in a bucket too, for the next machine.

Credentials, endpoint and region come from the environment (`AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_ENDPOINT_URL`
...) or from wherever else boto3 finds them; never from the address.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
from boto3.exceptions import Boto3Error
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from s3transfer.exceptions import S3DownloadFailedError

from darkroom.system.errors import InputError
from darkroom.system.secrets import redact

STARTED = "started"  # an empty object, written before the work: who may not write finds out before hours of it
_FAILURES = (BotoCoreError, ClientError, Boto3Error, S3DownloadFailedError)
_GONE = {"404", "NoSuchKey"}
_CONFIG = Config(
    connect_timeout=10,
    read_timeout=60,
    retries={"total_max_attempts": 3, "mode": "standard"},
    request_checksum_calculation="when_required",  # stores that only speak like S3 often know no others
    response_checksum_validation="when_required",
)


class Bucket:
    """The files of one folder in a bucket; an object appears whole or not at all.

    Two that work on the same at once overwrite each other's files, and the first one that is done removes them: each
    goes on undisturbed, but what is found after a kill may be the other's, or nothing.
    """

    def __init__(self, name: str, prefix: str, folder: Path) -> None:
        """Makes a client; nothing is sent yet.

        Args:
            name: The bucket's name.
            prefix: What the objects' keys begin with; this folder's alone.
            folder: The folder on this machine, empty.

        Raises:
            InputError: The environment names no endpoint that could be asked.
        """
        self._name, self._prefix, self._folder = name, f"{prefix.strip('/')}/", folder
        self._address, self._sent = f"s3://{name}/{prefix.strip('/')}", dict[str, tuple[int, int]]()
        with self._refusing():
            self._client = boto3.Session().client("s3", config=_CONFIG)  # reads the environment as it is now

    def fetch(self) -> None:
        """Brings what an earlier try left.

        Raises:
            InputError: The bucket is not there, can't be reached, or may not be read and written.
        """
        with self._refusing():
            self._client.put_object(Bucket=self._name, Key=f"{self._prefix}{STARTED}", Body=b"")
            for name in self._names():
                if name != STARTED and self._download(name):
                    self._sent[name] = _state(self._folder / name)

    def send(self) -> None:
        """Copies each finished file that is new or has changed; says so where that fails, and tries again the next time."""
        for path in sorted(self._folder.iterdir()):
            if path.is_file() and not path.name.startswith(".") and self._sent.get(path.name) != (state := _state(path)):
                try:
                    self._client.upload_file(str(path), self._name, f"{self._prefix}{path.name}")
                    self._sent[path.name] = state
                except _FAILURES as error:
                    self._warn(f"{path.name} was not copied to", error, "the work goes on; after a kill it starts from what is there")

    def remove(self) -> None:
        """Removes the copies; says so where that fails."""
        try:
            for name in self._names():
                self._client.delete_object(Bucket=self._name, Key=f"{self._prefix}{name}")
        except _FAILURES as error:
            self._warn("copies stay in", error, "no run needs them any more")

    def close(self) -> None:
        """Closes the connections."""
        self._client.close()

    def _names(self) -> Iterator[str]:
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._name, Prefix=self._prefix, Delimiter="/")
        for page in pages:
            names = (item["Key"].removeprefix(self._prefix) for item in page.get("Contents", ()))
            yield from (name for name in names if re.fullmatch(r"\w[\w.-]*", name))  # others are not ours, and may lead elsewhere

    def _download(self, name: str) -> bool:
        try:
            self._client.download_file(self._name, f"{self._prefix}{name}", str(self._folder / name))
        except ClientError as error:
            if error.response["Error"]["Code"] not in _GONE:  # whoever worked on the same has finished since it was listed
                raise
            return False
        return True

    @contextmanager
    def _refusing(self) -> Iterator[None]:
        try:
            yield
        except (*_FAILURES, ValueError) as error:  # boto3 raises ValueError for an endpoint that is no address
            remedy = "mend the address (platform.checkpoints) or what the AWS_... variables say"
            raise InputError(f"checkpoints can't be kept in {self._address}: {_reason(error)}; {remedy}") from None

    def _warn(self, what: str, error: Exception, then: str) -> None:
        print(f"warning: {what} {self._address}: {_reason(error)}; {then}", flush=True)


def _state(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_ino, status.st_mtime_ns


def _reason(error: Exception) -> str:
    """One line without secrets."""
    details: dict[str, Any] = getattr(error, "response", {}).get("Error", {})
    text = f"{details.get('Message') or 'refused'} ({details['Code']})" if "Code" in details else str(error)
    return redact(" ".join(text.split()).rstrip("."))
