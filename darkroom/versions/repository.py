"""Data in a DVC repository at a revision: `git+https://host/team/repo.git@v1#data`, read without a checkout of one's own.

What git and the DVC remote want to know of the user comes from the environment (see `GIT_USERNAME`, and DVC's and the
storage's own variables); it is never part of an address. DVC takes seconds to import, so it is imported where it is needed.
"""

import gc
import os
import re
import tempfile
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from darkroom.system.errors import InputError
from darkroom.system.parallel import ordered
from darkroom.system.secrets import redact
from darkroom.versions.fetch_choice import Choose, everything
from darkroom.versions.user_folder import user_folder

FORM = "git+ADDRESS@REVISION#PATH, such as git+https://git.example.org/team/images.git@v1#data"
_ADDRESS = re.compile(
    r"git\+(?P<repository>([a-z]+://[^/#]*)?[^@#]+)(@(?P<revision>[^@#&]+))?#(?P<path>[^#&]+)(&remote=(?P<remote>[^#&]+))?"
)
_FOLDED = re.compile(r"^git\+(https?|ssh|git|file):/+")  # a `Path` folds the slashes of an address
THREADS = 8  # files that are fetched at once, where not all are
SCHEMES = ("https", "http", "ssh", "git", "file")
_HOST = re.compile(r"(?P<user>[\w.-]+@)?(\w[\w.-]*|\[[0-9a-fA-F:.]+\])?(:\d+)?")
_GIT_CONFIG = r"""[include]
    path = ~/.gitconfig
[credential]
    helper = "!f() { printf 'username=%s\\npassword=%s\\n' \"$GIT_USERNAME\" \"$GIT_PASSWORD\"; }; f"
"""  # names variables, holds no secret


@dataclass(frozen=True)
class Address:
    """Where a data version is.

    Attributes:
        repository: The git repository, as git clones it.
        revision: A branch, tag or commit; empty for the default branch.
        path: What DVC tracks in it: a folder or a file.
        remote: The DVC remote; empty for the repository's own choice.
    """

    repository: str
    revision: str
    path: str
    remote: str

    @property
    def text(self) -> str:
        """The address as a person writes it."""
        revision, remote = f"@{self.revision}" if self.revision else "", f"&remote={self.remote}" if self.remote else ""
        return f"git+{self.repository}{revision}#{self.path}{remote}"

    @property
    def title(self) -> str:
        """What a run is named after: the repository."""
        return Path(self.repository).name.removesuffix(".git")

    @property
    def file_name(self) -> str:
        """What the folder or the file is called."""
        return Path(self.path).name

    def version(self) -> str:
        """What the repository records as the data's md5, without a look at the data.

        Raises:
            InputError: There is no such repository, revision or path, or DVC does not track it.
        """
        with _open_repository(self) as repository:
            return _tracked_md5(repository, self)

    @contextmanager
    def fetched(self, data_version: str, choose: Choose = everything) -> Iterator[Path]:
        """A download in a temporary folder that lasts as long as the block.

        Args:
            data_version: What the data's md5 must be, or empty.
            choose: Which files are fetched.

        Raises:
            InputError: The data can't be fetched, or is another version.
        """
        with tempfile.TemporaryDirectory(prefix="darkroom-") as temporary:
            with _open_repository(self) as repository:
                md5 = _tracked_md5(repository, self)
                if data_version not in ("", md5):
                    raise InputError(f"{self} is now {md5[:12]}, not the version {data_version[:12]} of this run: name a commit or a tag")
                target = _download(repository, self, Path(temporary), choose)
            yield target

    def __str__(self) -> str:
        return f"{self.path} in {self.repository}" + (f" at {self.revision}" if self.revision else "")


def parse_address(source: Path | str) -> Address:
    """Reads an address; one that went through a `Path` too.

    Raises:
        InputError: It has not the form of one, holds a password or a token, or asks git for another way than https, http, ssh, git
            or a path on this machine.
    """
    text = _FOLDED.sub(lambda match: f"git+{match[1]}://" + ("/" if match[1] == "file" else ""), str(source))
    _refuse_odd(text)
    match = _ADDRESS.fullmatch(text)
    if match is None or ".." in match["path"].split("/") or match["path"].startswith("/"):
        raise InputError(f"the data source {redact(text)!r} has not the form {FORM}")
    return Address(match["repository"], match["revision"] or "", match["path"].rstrip("/"), match["remote"] or "")


def _refuse_odd(text: str) -> None:
    """Refuses secrets in an address, transports that run a program (`ext::`), and what git could take for an option."""
    if re.search(r"^git\+-|@-|[\x00-\x1f\x7f]", text):
        raise InputError(f"the data source has a part that begins with -, or holds a control character: write it as {FORM}")
    scheme, found, rest = text.removeprefix("git+").partition("#")[0].partition(":")
    if not found or "/" in scheme:
        return  # a path on this machine
    if scheme not in SCHEMES or not rest.startswith("//"):
        raise InputError(f"the data source has not the form {FORM}; git is asked for {', '.join(SCHEMES)} or a path on this machine")
    host = _HOST.fullmatch(rest.removeprefix("//").partition("/")[0])
    if scheme != "file" and (host is None or (host["user"] and scheme != "ssh")):
        raise InputError(
            "the data source holds a name, password or token; leave it out, and set GIT_USERNAME and GIT_PASSWORD in the environment"
        )


def refuse_escape(names: Iterable[str], what: str) -> None:
    """Refuses a list of files, as DVC keeps one of a folder, that would be laid out elsewhere: whoever wrote it is a stranger.

    Args:
        names: Relative paths.
        what: Whose files they are.

    Raises:
        InputError: One of them is absolute, or leads out of the folder.
    """
    for name in names:
        if name.startswith("/") or not {"", "..", "."}.isdisjoint(name.split("/")) or "\0" in name:
            raise InputError(f"{what} lists {name!r}, a path that leads out of it: nothing of it was fetched")


def _download(repository: Any, address: Address, temporary: Path, choose: Choose) -> Path:
    from dvc.fs import download

    target = temporary / Path(address.path).name
    print(f"fetching {address}", flush=True)
    try:
        found = repository.dvcfs.fs.find(address.path, detail=True)
    except RecursionError:  # DVC recurses endlessly into a list with `..`
        found = {"..": {}}
    infos = {name.removeprefix("/").removeprefix(address.path).removeprefix("/"): info for name, info in found.items()}
    refuse_escape(filter(None, infos), str(address))
    wanted = frozenset(choose({name: _identity(info) for name, info in infos.items()}))
    if len(wanted) == len(infos):
        download(repository.dvcfs, address.path, str(target))
    elif "" not in infos:
        target.mkdir()
        jobs = [(info, target / name) for name, info in infos.items() if name in wanted]
        for _ in ordered(partial(_download_file, repository.dvcfs), jobs, THREADS, ahead=4 * THREADS):
            pass
    return target


def _download_file(files: Any, job: tuple[dict[str, Any], Path]) -> None:
    info, target = job
    target.parent.mkdir(parents=True, exist_ok=True)
    files.get_file(info["name"], str(target), info=info)


def _identity(info: Mapping[str, Any]) -> str:
    """The hash by which DVC knows a file; empty where it has none."""
    return next((f"{kind} {info[kind]}" for kind in ("md5", "md5-dos2unix") if info.get(kind)), "")


def _tracked_md5(repository: Any, address: Address) -> str:
    known = repository.dvcfs.info(address.path).get("dvc_info") or {}
    if not known.get("md5") or not known.get("isout"):
        raise InputError(f"DVC does not track {address}: name a folder or a file with a .dvc file beside it")
    return str(known["md5"])


@contextmanager
def own_repository() -> Iterator[Any]:
    """The DVC repository of the current folder, with DVC's state in a folder that only this user can write.

    DVC unpickles its state, and by default keeps it in a folder that every user of the machine can write.
    """
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    root = Repo.find_root()  # raises before a folder for the state is made
    with user_folder("dvc") as state:
        try:
            repository = Repo(root, config={"core": {"site_cache_dir": str(state)}})
        except DvcException as error:
            raise InputError(f"DVC can't open its repository in {root} ({_reason(error)})", "correct .dvc/config") from None
        with repository:
            yield repository


@contextmanager
def _open_repository(address: Address) -> Iterator[Any]:
    """DVC's repository at an address; its errors become one sentence."""
    from botocore.exceptions import BotoCoreError
    from dvc.exceptions import DvcException
    from dvc.repo import Repo
    from dvc.repo.open_repo import clean_repos
    from dvc_data.index.index import DataIndexDirError

    failure = ""
    with tempfile.TemporaryDirectory(prefix="darkroom-dvc-") as temporary, _environment(Path(temporary)):
        try:
            with Repo.open(address.repository, rev=address.revision or None, subrepos=True, remote=address.remote or None) as repository:
                yield repository
        except FileNotFoundError as error:
            failure = f"there is no {error.filename or error}"
        except (DvcException, DataIndexDirError, BotoCoreError, OSError, ValueError) as error:
            failure = _reason(error)
        finally:
            clean_repos()
    if failure:
        _close_dvc()
        raise InputError(f"{address} can't be fetched: {failure}")


def _close_dvc() -> None:
    """Closes the files that DVC leaves open when it fails, while the warnings about them can be silenced here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


def _reason(error: BaseException) -> str:
    """The message of the innermost error of a chain, in one line."""
    while error.__cause__ is not None:
        error = error.__cause__
    return redact(" ".join(str(error).split())) or type(error).__name__


@contextmanager
def _environment(temporary: Path) -> Iterator[None]:
    """Makes DVC keep its state and clones in a temporary folder, and git read a password from the environment, never from a prompt."""
    changes = {"DVC_SITE_CACHE_DIR": str(temporary), "GIT_TERMINAL_PROMPT": "0"}
    if os.environ.get("GIT_PASSWORD"):
        (temporary / "gitconfig").write_text(_GIT_CONFIG, encoding="utf-8")
        changes |= {"GIT_USERNAME": os.environ.get("GIT_USERNAME") or "git", "GIT_CONFIG_GLOBAL": str(temporary / "gitconfig")}
    before, previous_tempdir = {name: os.environ.get(name) for name in changes}, tempfile.tempdir
    os.environ.update(changes)
    tempfile.tempdir = str(temporary)  # a clone that fails leaves its folder, which is removed with this one
    try:
        yield
    finally:
        tempfile.tempdir = previous_tempdir
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
