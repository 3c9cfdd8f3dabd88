"""Backup and restore of the shared MLflow server: its database, accounts included, and every artifact, in one tar file.

    python archive.py backup FILE|FOLDER|- [--keep N]
    python archive.py restore FILE|- [--replace]

Database and store are named by the environment, as for `serve.py`. The database is read first, so every artifact that it
names is there when the artifacts are read. An archive appears whole or not at all and ends with a list of checksums, which
is compared before anything is restored. A database is restored in one transaction.
"""

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import IO, Any

DATABASE, ARTIFACTS, CHECKSUMS = "database.dump", "artifacts/", "checksums.json"
_PIECE = 2**20
_FRESH = "DROP SCHEMA IF EXISTS public CASCADE; CREATE SCHEMA public"


class ArchiveError(Exception):
    """What is told in one sentence."""


class Hashing:
    """A file that is read, and what has gone through it."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self._digest = file, hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        """Reads as the file does."""
        piece = self._file.read(size)
        self._digest.update(piece)
        return piece

    def sha256(self) -> str:
        """The hash of what was read."""
        return self._digest.hexdigest()


def backup(target: Path, keep: int) -> Path:
    """Writes an archive.

    Args:
        target: Its file, or a folder in which it is named by the time.
        keep: How many archives a folder keeps, the newest; 0 for all.

    Returns:
        The archive's file.
    """
    folder = target if target.is_dir() else None
    if folder:
        target = folder / f"mlflow-{datetime.now(UTC):%Y%m%dT%H%M%S}Z.tar"
    draft = target.with_name(f".{target.name}.part")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            num_artifacts = _write(file, target.parent)
            os.fsync(file.fileno())
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)
    for old in sorted(folder.glob("mlflow-*.tar"))[:-keep] if folder and keep else ():
        old.unlink()
    print(f"{target}: the database and {num_artifacts} artifacts, {target.stat().st_size / 2**20:.1f} MiB")
    return target


def restore(source: Path, replace: bool) -> None:
    """Puts back what an archive has.

    Args:
        source: The archive.
        replace: Whether what is there now may be lost.
    """
    names = _verify(source)
    bucket = _Bucket()
    tables, objects = int(_psql("-tAc", "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")), set(bucket.names())
    if (tables or objects) and not replace:
        raise ArchiveError(f"there are {tables} tables and {len(objects)} artifacts already: --replace puts the archive's in their place")
    bucket.make()
    with tempfile.TemporaryDirectory() as place, tarfile.open(source) as archive:
        for member in archive:
            file = archive.extractfile(member)
            if file is None:
                continue
            if member.name.startswith(ARTIFACTS):
                bucket.put(member.name.removeprefix(ARTIFACTS), file)
            elif member.name == DATABASE:
                with (Path(place) / DATABASE).open("wb") as dump:
                    shutil.copyfileobj(file, dump)
        _load(Path(place) / DATABASE)
    kept = {name.removeprefix(ARTIFACTS) for name in names if name.startswith(ARTIFACTS)}
    for name in objects - kept:
        bucket.remove(name)
    print(f"{source}: the database and {len(kept)} artifacts are back; start the server")


@contextmanager
def _at_hand(source: Path) -> Iterator[Path]:
    """The archive as a file; `-` is read from standard input first."""
    if str(source) != "-":
        yield source
        return
    with tempfile.NamedTemporaryFile(suffix=".tar") as file:
        shutil.copyfileobj(sys.stdin.buffer, file)
        file.flush()
        yield Path(file.name)


def _write(file: IO[bytes], folder: Path) -> int:
    """Writes the tar, and returns how many artifacts it has."""
    checksums: dict[str, str] = {}
    with tarfile.open(fileobj=file, mode="w|", format=tarfile.PAX_FORMAT) as archive:
        with tempfile.TemporaryDirectory(dir=folder, prefix=".mlflow-backup-") as place:
            dump = Path(place) / DATABASE
            _run("pg_dump", "--format=custom", "--no-owner", "--no-privileges", "--file", str(dump))
            with dump.open("rb") as content:
                checksums[DATABASE] = _add(archive, DATABASE, dump.stat().st_size, content)
        bucket = _Bucket()
        for name in bucket.names():
            size, content = bucket.get(name)
            checksums[ARTIFACTS + name] = _add(archive, ARTIFACTS + name, size, content)
        facts = {"format": 1, "mlflow": version("mlflow"), "created": datetime.now(UTC).isoformat(), "sha256": checksums}
        with tempfile.TemporaryFile() as content:
            content.write(json.dumps(facts).encode())
            size = content.tell()
            content.seek(0)
            _add(archive, CHECKSUMS, size, content)
    return len(checksums) - 1


def _add(archive: tarfile.TarFile, name: str, size: int, content: IO[bytes]) -> str:
    entry, hashing = tarfile.TarInfo(name), Hashing(content)
    entry.size, entry.mtime, entry.mode = size, int(datetime.now(UTC).timestamp()), 0o600
    archive.addfile(entry, hashing)  # type: ignore[arg-type]  # it only reads
    return hashing.sha256()


def _verify(source: Path) -> set[str]:
    """Reads the whole archive, compares the checksums, and returns the names of its files."""
    found: dict[str, str] = {}
    facts: dict[str, Any] = {}
    try:
        with tarfile.open(source) as archive:
            for member in archive:
                file = archive.extractfile(member)
                if file is None:
                    continue
                hashing = Hashing(file)
                if member.name == CHECKSUMS:
                    facts = json.loads(hashing.read())
                    continue
                while hashing.read(_PIECE):
                    pass
                found[member.name] = hashing.sha256()
    except (tarfile.TarError, OSError, ValueError, EOFError) as error:
        raise ArchiveError(f"{source} can't be read as a backup ({error}): nothing was changed") from None
    wrong = sorted({name for name, _ in found.items() ^ facts.get("sha256", {}).items()})
    if facts.get("format") != 1 or wrong or DATABASE not in found:
        what = f"{len(wrong)} of its files differ from their checksums, such as {wrong[0]}" if facts and wrong else "it ends too early"
        raise ArchiveError(f"{source} is no whole backup: {what}; nothing was changed")
    return set(found)


def _load(dump: Path) -> None:
    """Replaces the schema by the dump's, in one transaction."""
    with tempfile.NamedTemporaryFile(suffix=".sql", dir=dump.parent) as script:
        _run("pg_restore", "--no-owner", "--no-privileges", "--file", script.name, str(dump))
        _psql("--single-transaction", "--set", "ON_ERROR_STOP=1", "-c", _FRESH, "-f", script.name)


def _psql(*arguments: str) -> str:
    return _run("psql", "--quiet", "--no-psqlrc", *arguments)


def _run(program: str, *arguments: str) -> str:
    """Runs one of PostgreSQL's programs on the database that the environment names; its password is in no command line."""
    given = os.environ
    place = {"PGHOST": given["POSTGRES_HOST"], "PGPORT": given.get("POSTGRES_PORT", "5432"), "PGDATABASE": given["POSTGRES_DB"]}
    environment = {**given, **place, "PGUSER": given["POSTGRES_USER"], "PGPASSWORD": given["POSTGRES_PASSWORD"]}
    try:
        done = subprocess.run([program, *arguments], env=environment, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise ArchiveError(f"there is no {program} here: install PostgreSQL's client programs") from None
    if done.returncode:
        raise ArchiveError(f"{program} failed: {' '.join(done.stderr.split())[:500]}")
    return done.stdout.strip()


class _Bucket:
    def __init__(self) -> None:
        import boto3

        self._store = boto3.client("s3", endpoint_url=os.environ["MLFLOW_S3_ENDPOINT_URL"])
        self._name = os.environ["MLFLOW_BUCKET"]

    def names(self) -> Iterator[str]:
        """All keys; none where there is no bucket."""
        try:
            for page in self._store.get_paginator("list_objects_v2").paginate(Bucket=self._name):
                yield from (entry["Key"] for entry in page.get("Contents", ()))
        except self._store.exceptions.NoSuchBucket:
            return

    def make(self) -> None:
        """Makes the bucket where there is none."""
        if self._name not in {bucket["Name"] for bucket in self._store.list_buckets()["Buckets"]}:
            self._store.create_bucket(Bucket=self._name)

    def get(self, name: str) -> tuple[int, IO[bytes]]:
        """Size and content."""
        answer = self._store.get_object(Bucket=self._name, Key=name)
        return answer["ContentLength"], answer["Body"]

    def put(self, name: str, content: IO[bytes]) -> None:
        """Writes or replaces an object."""
        self._store.upload_fileobj(content, self._name, name)

    def remove(self, name: str) -> None:
        """Removes an object."""
        self._store.delete_object(Bucket=self._name, Key=name)


def main() -> int:
    """Does what the command line says; 0 done, 1 it could not be done."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    saving = commands.add_parser("backup")
    saving.add_argument("target", type=Path)
    saving.add_argument("--keep", type=int, default=0, help="archives that a folder keeps, the newest; 0 for all")
    loading = commands.add_parser("restore")
    loading.add_argument("source", type=Path)
    loading.add_argument("--replace", action="store_true", help="lose what is there now")
    options = parser.parse_args()
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        if options.command == "restore":
            with _at_hand(options.source) as source:
                restore(source, options.replace)
        elif str(options.target) == "-":
            _write(sys.stdout.buffer, Path(tempfile.gettempdir()))
        else:
            backup(options.target, options.keep)
    except KeyError as error:
        print(f"error: {error.args[0]} must be set: see .env.example", file=sys.stderr)
        return 1
    except (ArchiveError, BotoCoreError, ClientError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
