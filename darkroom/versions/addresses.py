"""Data sources that are no paths of this machine: in a DVC repository, in any store that fsspec reaches, or torchvision's own."""

import re
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol

from darkroom.system.errors import InputError
from darkroom.versions import repository, stored_data, torchvision_data
from darkroom.versions.fetch_choice import Choose, everything

_SCHEME = re.compile(r"(?P<scheme>[a-z][a-z0-9.-]+(\+[a-z0-9]+)*):/+")  # a `Path` folds the slashes


class Address(Protocol):
    """Where data is.

    Attributes:
        text: The address as a person writes it.
        title: What a run of it is called by default.
        file_name: What the folder or the file is called when it is laid out here.
    """

    @property
    def text(self) -> str:
        """See above."""
        ...

    @property
    def title(self) -> str:
        """See above."""
        ...

    @property
    def file_name(self) -> str:
        """See above."""
        ...

    def version(self) -> str:
        """The version of the data as it is there now."""
        ...

    def fetched(self, data_version: str, choose: Choose = everything) -> AbstractContextManager[Path]:
        """The data on this machine, as long as the block lasts."""
        ...


def is_address(source: Path | str) -> bool:
    """Whether a data source is an address, and no path."""
    return str(source).startswith("git+") or _SCHEME.match(str(source)) is not None


def parse_address(source: Path | str) -> Address:
    """Reads an address; one that went through a `Path` too.

    Raises:
        InputError: It has not the form of one.
    """
    text = str(source)
    if text.startswith("git+"):
        return repository.parse_address(text)
    match = _SCHEME.match(text)
    if match is None:
        raise InputError(f"the data source {text!r} is no address: it has no scheme such as s3:// in front")
    rest = text[match.end() :]
    if match["scheme"] == torchvision_data.SCHEME:
        return torchvision_data.parse_address(rest)
    return stored_data.parse_address(match["scheme"], rest)


@contextmanager
def fetched(data: Path, data_version: str, choose: Choose = everything) -> Iterator[Path]:
    """The data on this machine: `data` itself, or what an address leads to, which lasts as long as the block.

    Args:
        data: A path, or an address.
        data_version: What the data's version must be, or empty.
        choose: Which files of an address are fetched.

    Raises:
        InputError: The data can't be fetched, or is another version. What the block says of the place is said of the address.
    """
    if not is_address(data):
        yield data
        return
    address = parse_address(data)
    with address.fetched(data_version, choose) as place:
        try:
            yield place
        except InputError as error:  # what is wrong there is wrong at the address, where a person looks for it
            sentence, error.problem, error.remedy = (
                text.replace(str(place), address.text) for text in (str(error), error.problem, error.remedy)
            )
            error.args = (sentence,)
            raise
