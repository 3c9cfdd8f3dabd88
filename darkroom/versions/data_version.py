"""The version of the data: a hash of the files that are read, and beside it the md5 that `dvc add` would write for all that is there.

The version of a folder is made as DVC makes the md5 of a folder, over the files of `darkroom.data_files`: where none is
skipped, both are the same. Files that have not changed since they were last hashed are not read again.
"""

import zipfile
from contextlib import suppress
from pathlib import Path

from darkroom.data_files import absolute, is_table, list_files
from darkroom.junk import is_junk
from darkroom.system.errors import InputError
from darkroom.system.files import whole
from darkroom.system.yaml_file import NotYamlError, read_yaml
from darkroom.versions.addresses import is_address, parse_address
from darkroom.versions.dvc_cache import files_of, hold
from darkroom.versions.file_md5s import file_md5s, repository_here, tree_md5
from darkroom.versions.repository import own_repository


def data_version(source: Path) -> str:
    """Hash of the files of a source that are read, as they are now.

    Args:
        source: A folder, a table of labels beside its images, a zip or a tar; or an address of one in a DVC repository, which is
            asked for the md5 that it records.

    Returns:
        Of a folder or a table the md5 over the paths and md5s of the files that are read, ending in `.dir`; of an archive the md5
        of its bytes.

    Raises:
        InputError: There is nothing at `source`, nothing in it is read, or it can't be read.
    """
    if is_address(source):
        return parse_address(source).version()
    check_source(source)
    if source.is_file() and not is_table(source):
        _refuse_empty(source)
        return file_md5s({source.name: str(absolute(source))}, source)[source.name]
    files = list_files(absolute(source))
    if not files.places:
        raise InputError(f"the data source {source} holds no file that is read: put images in it, in a folder a class")
    return tree_md5(file_md5s(files.places, source))


def dvc_md5(source: Path) -> str:
    """What `dvc add` would write as `md5` for all that is at a source, whether it is read or not.

    Args:
        source: A folder or a file.

    Raises:
        InputError: DVC would not add it.
    """
    place = absolute(source)
    if place.is_file():
        return file_md5s({place.name: str(place)}, source)[place.name]
    places = _dvc_files(place)
    ignoring = [path for path in places if path.rpartition("/")[2] == ".dvcignore"]
    if ignoring:
        raise InputError(f"{source} holds {ignoring[0]}, and DVC adds no folder with a .dvcignore in it: move its lines to the project's")
    return tree_md5(file_md5s(places, source))


def check_source(source: Path) -> None:
    """Raises `InputError` unless there is a file or a folder with something in it at `source`, or it is a right address."""
    if is_address(source):
        parse_address(source)
        return
    try:
        is_there, is_empty = source.exists(), source.is_dir() and not any(source.iterdir())
    except OSError as error:
        raise InputError(f"the data source {source} can't be read ({error.strerror}): give this user the right to read it") from None
    if not is_there:
        raise InputError(f"the data source {source} does not exist: give a folder of images, or a zip or tar of one")
    if is_empty:
        raise InputError(f"the data source {source} is an empty folder: put images in it, in a folder a class")
    if not (source.is_dir() or source.is_file()):
        raise InputError(f"the data source {source} is a device or a pipe: give a folder of images, or a zip or tar of one")


def has_version(source: Path, version: str) -> bool:
    """Whether a source is of a version, as it is computed now or as earlier releases did, by the rules of `dvc add`."""
    if data_version(source) == version:
        return True
    with suppress(InputError):
        return not is_address(source) and dvc_md5(source) == version
    return False


def recorded_version(source: Path) -> str:
    """The md5 in the `.dvc` file beside a folder or a file, or an empty string where there is none."""
    record = source.with_name(f"{source.name}.dvc")
    if is_address(source) or not record.is_file():
        return ""
    try:
        return str(read_yaml(record)["outs"][0].get("md5", ""))
    except (NotYamlError, LookupError, TypeError, AttributeError):
        raise InputError(f"{record} is no .dvc file that DVC wrote: write it again with `dvc add {source}`") from None


def difference(source: Path, version: str) -> str:
    """One sentence that says how `source` differs from its `.dvc` file; empty where they agree or there is no such file.

    Args:
        source: The folder, such as `data`.
        version: Its `data_version` now, which is DVC's md5 where nothing is skipped.
    """
    recorded = recorded_version(source)
    if not recorded or (recorded == version and not _skips(source)):
        return ""
    try:
        md5 = dvc_md5(source)
    except InputError as error:
        return f"{source} can't be compared with {source.name}.dvc: {error}"
    if recorded == md5:
        return ""
    return (
        f"{source} differs from {source.name}.dvc (now {md5[:12]}, recorded {recorded[:12]}): run `dvc add {source}` to make it "
        f"a new data version, or `dvc checkout {source}` to go back"
    )


def fetch_version(version: str, into: Path) -> bool:
    """Lays out data of a version from DVC's cache, or from the default remote of the DVC repository.

    Args:
        version: What `dvc add` wrote as `md5`.
        into: Where the folder or file appears, whole or not at all; must not exist.

    Returns:
        Whether DVC has it.

    Raises:
        InputError: Its list of files leads out of the folder.
    """
    from dvc.exceptions import NotDvcRepoError
    from dvc.fs import localfs
    from dvc_data.hashfile import load
    from dvc_data.hashfile.checkout import checkout
    from dvc_data.hashfile.hash_info import HashInfo

    try:
        with own_repository() as repo:
            if not hold(repo, version, pull=True):
                return False
            storage = repo.cache.local
            files_of(storage, version)  # refuses a list that leads out of the folder
            with whole(into) as draft:
                checkout(str(draft.absolute()), localfs, load(storage, HashInfo("md5", version)), storage, quiet=True)
            return True
    except NotDvcRepoError:
        return False


def _skips(source: Path) -> bool:
    return source.is_dir() and list_files(absolute(source)).num_skipped > 0


def _refuse_empty(archive: Path) -> None:
    """Refuses a file without a file in it, as far as that can be told without unpacking it."""
    if zipfile.is_zipfile(archive):
        with suppress(zipfile.BadZipFile, OSError), zipfile.ZipFile(archive) as members:  # ingest says what is wrong with it
            names = [name for name in members.namelist() if not name.endswith("/")]
            if all(is_junk(name) and ".." not in name.split("/") for name in names):
                raise InputError(f"the data source {archive} holds no file that is read: pack images, in a folder a class")
    elif not archive.stat().st_size:
        raise InputError(f"the data source {archive} is an empty file: make or fetch it again")


def _dvc_files(folder: Path) -> dict[str, str]:
    """Where each file is that DVC would add with a folder, by its path in it."""
    from dvc.fs import localfs

    with repository_here() as repository:
        walk = repository.dvcignore.walk(localfs, str(folder)) if repository else localfs.walk(str(folder))
        places = [f"{root}/{name}" for root, _, names in walk for name in names]
    return {place[len(str(folder)) + 1 :]: place for place in places}
