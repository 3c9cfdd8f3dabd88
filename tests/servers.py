"""Real servers on the loopback interface: PostgreSQL, an S3 store (moto's), and the shared MLflow server before them.

The MLflow server is started by `mlflow/serve.py`, as its image starts it. A server can be stopped and started again on the
same port, with everything that it kept.
"""

import contextlib
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import boto3
import pytest

ROOT = Path(__file__).parent.parent
_CLUSTERS = "/usr/lib/postgresql/*/bin/initdb"  # where Debian's package puts the programs


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def clean_environment() -> dict[str, str]:
    """This process's environment without what would lead to another store."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_", "DARKROOM_", "AWS_", "POSTGRES_", "PG"))}


def postgresql_programs() -> Path:
    """The folder of PostgreSQL's programs; the test is skipped where there are none."""
    found = sorted(Path("/").glob(_CLUSTERS.removeprefix("/")))
    if not found:
        pytest.skip("there is no PostgreSQL: apt-get install postgresql")
    return found[-1].parent


@dataclass
class Process:
    """A server process of its own session, whose output goes to a file."""

    command: list[str]
    environment: dict[str, str]
    log: Path
    address: str
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    def start(self, timeout_s: float = 300) -> None:
        """Starts it and waits until it answers."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self.command,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                cwd=self.log.parent,
            )
        end = time.monotonic() + timeout_s
        while not _answers(self.address):
            if self._process.poll() is not None or time.monotonic() > end:
                self.stop()
                raise RuntimeError(f"no answer at {self.address}: {self.log.read_text()[-3000:]}")
            time.sleep(0.2)

    def hang(self) -> None:
        """Makes it and what it started stand still: connections are taken, nothing is answered."""
        assert self._process is not None
        os.killpg(self._process.pid, signal.SIGSTOP)

    def go_on(self) -> None:
        """Lets it go on after `hang`."""
        assert self._process is not None
        os.killpg(self._process.pid, signal.SIGCONT)

    def stop(self) -> None:
        """Ends it and what it started, at once."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None


@dataclass
class Postgres:
    """A PostgreSQL cluster of its own."""

    programs: Path
    folder: Path
    port: int
    password: str
    user: str = "mlflow"

    def start(self) -> None:
        """Starts the cluster."""
        options = f"-p {self.port} -h 127.0.0.1 -k {self.folder} -c fsync=off"
        self._as_owner("pg_ctl", "-D", str(self.folder / "data"), "-w", "-l", str(self.folder / "log"), "-o", options, "start")

    def stop(self) -> None:
        """Stops it at once, as a crash would."""
        self._as_owner("pg_ctl", "-D", str(self.folder / "data"), "-w", "-m", "immediate", "stop")

    def environment(self, database: str) -> dict[str, str]:
        """How `mlflow/serve.py`, backup and restore are told of a database."""
        place = {"POSTGRES_HOST": "127.0.0.1", "POSTGRES_PORT": str(self.port), "POSTGRES_DB": database}
        return {**place, "POSTGRES_USER": self.user, "POSTGRES_PASSWORD": self.password}

    def sql(self, statement: str, database: str = "postgres") -> str:
        """Runs a statement and returns what psql prints."""
        command = [str(self.programs / "psql"), "-h", "127.0.0.1", "-p", str(self.port), "-U", self.user, "-tAXc", statement, database]
        environment = {**clean_environment(), "PGPASSWORD": self.password}
        return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout.strip()

    def create(self) -> None:
        """Makes the cluster's files."""
        secret = self.folder / "secret"
        secret.write_text(self.password)
        if os.getuid() == 0:
            for path in (self.folder, secret):
                shutil.chown(path, "postgres")
        arguments = ["-D", str(self.folder / "data"), "-A", "scram-sha-256", "-U", self.user, f"--pwfile={secret}", "--no-sync"]
        self._as_owner("initdb", *arguments, "-E", "UTF8", "--locale=C")

    def _as_owner(self, program: str, *arguments: str) -> None:
        """PostgreSQL refuses to run as root."""
        prefix = ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []
        command = [*prefix, str(self.programs / program), *arguments]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd=self.folder, stdin=subprocess.DEVNULL)


@dataclass
class ObjectStore:
    """moto's S3 server; it keeps everything in memory."""

    process: Process
    endpoint: str
    bucket: str = "artifacts"

    def environment(self) -> dict[str, str]:
        """How a server, backup and restore are told of the bucket."""
        keys = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "a-secret-of-the-store", "AWS_DEFAULT_REGION": "us-east-1"}
        return {**keys, "MLFLOW_S3_ENDPOINT_URL": self.endpoint, "MLFLOW_BUCKET": self.bucket}

    def guard(self, **users: str) -> dict[str, dict[str, str]]:
        """Makes the bucket, and users by what they may do; from now on nobody else is let in.

        Args:
            **users: An action of S3 by the user's name, such as `s3:*`.

        Returns:
            How a client is told of the store and its credentials, by the user's name.
        """
        keys = {"aws_access_key_id": "none", "aws_secret_access_key": "none", "region_name": "us-east-1"}
        made = {}
        with contextlib.closing(boto3.client("s3", endpoint_url=self.endpoint, **keys)) as store:
            store.create_bucket(Bucket=self.bucket)
        with contextlib.closing(boto3.client("iam", endpoint_url=self.endpoint, **keys)) as accounts:
            for name, action in users.items():
                accounts.create_user(UserName=name)
                allowed = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": action, "Resource": "*"}]}
                accounts.put_user_policy(UserName=name, PolicyName=name, PolicyDocument=json.dumps(allowed))
                key = accounts.create_access_key(UserName=name)["AccessKey"]
                credentials = {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}
                made[name] = {**credentials, "AWS_ENDPOINT_URL": self.endpoint}
        address, text = f"{self.endpoint}/moto-api/reset-auth", {"Content-Type": "text/plain"}
        urllib.request.urlopen(urllib.request.Request(address, b"0", text, method="POST"), timeout=30).close()
        return made

    def reset(self) -> None:
        """Loses everything."""
        urllib.request.urlopen(urllib.request.Request(f"{self.endpoint}/moto-api/reset", method="POST"), timeout=30).close()


@dataclass
class TrackingServer:
    """The shared MLflow server, with authentication.

    Attributes:
        uri: Its address, without credentials.
        username: The administrator.
        password: Theirs.
        postgres: What it keeps runs in.
        store: What it keeps artifacts in.
        database: The name of its database.
    """

    process: Process
    uri: str
    username: str
    password: str
    postgres: Postgres
    store: ObjectStore
    database: str

    def start(self) -> None:
        """Starts it again, on the same port."""
        self.process.start()

    def stop(self) -> None:
        """Stops it at once; runs and artifacts stay."""
        self.process.stop()

    def client_environment(self) -> dict[str, str]:
        """What a client needs: the address and the credentials."""
        return {
            "MLFLOW_TRACKING_URI": self.uri,
            "MLFLOW_TRACKING_USERNAME": self.username,
            "MLFLOW_TRACKING_PASSWORD": self.password,
        }

    def backing_environment(self) -> dict[str, str]:
        """What backup and restore need: database and bucket."""
        return {**self.postgres.environment(self.database), **self.store.environment()}


@contextlib.contextmanager
def postgres() -> Iterator[Postgres]:
    """A running cluster, removed afterwards."""
    programs = postgresql_programs()
    folder = Path(tempfile.mkdtemp(prefix="darkroom-postgres-"))
    cluster = Postgres(programs, folder, free_port(), secrets.token_urlsafe(16) + "/%@:")
    try:
        cluster.create()
        cluster.start()
        try:
            yield cluster
        finally:
            cluster.stop()
    finally:
        shutil.rmtree(folder)


@contextlib.contextmanager
def object_store(folder: Path) -> Iterator[ObjectStore]:
    """A running S3 store."""
    port = free_port()
    endpoint = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    process = Process(command, clean_environment(), folder / "moto.log", f"{endpoint}/moto-api/")
    process.start()
    try:
        yield ObjectStore(process, endpoint)
    finally:
        process.stop()


@contextlib.contextmanager
def plain_server(folder: Path) -> Iterator[Process]:
    """A running MLflow server without authentication, which keeps all it has in a folder."""
    port = free_port()
    environment = {**clean_environment(), "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    store = ["--backend-store-uri", f"sqlite:///{folder / 'server.db'}", "--artifacts-destination", str(folder / "artifacts")]
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1", *store]
    process = Process(command, environment, folder / "mlflow.log", f"http://127.0.0.1:{port}/health")
    process.start()
    try:
        yield process
    finally:
        process.stop()


@contextlib.contextmanager
def tracking_server(folder: Path, database: Postgres, store: ObjectStore, name: str = "mlflow") -> Iterator[TrackingServer]:
    """A running MLflow server on a new database of a cluster.

    Args:
        folder: For its log.
        database: The cluster.
        store: The S3 store.
        name: The database's name.
    """
    database.sql(f'CREATE DATABASE "{name}"')
    port, password = free_port(), secrets.token_urlsafe(16)
    environment = {
        **clean_environment(),
        **database.environment(name),
        **store.environment(),
        "MLFLOW_AUTH_ADMIN_USERNAME": "admin",
        "MLFLOW_AUTH_ADMIN_PASSWORD": password,
        "MLFLOW_FLASK_SERVER_SECRET_KEY": secrets.token_urlsafe(32),
        "MLFLOW_HOST": "127.0.0.1",
        "MLFLOW_PORT": str(port),
        "MLFLOW_WORKERS": "1",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    }
    uri = f"http://127.0.0.1:{port}"
    process = Process([sys.executable, str(ROOT / "mlflow" / "serve.py")], environment, folder / f"{name}.log", f"{uri}/health")
    server = TrackingServer(process, uri, "admin", password, database, store, name)
    try:
        server.start()
        yield server
    finally:
        server.stop()


def _answers(address: str) -> bool:
    try:
        urllib.request.urlopen(address, timeout=5).close()
    except urllib.error.HTTPError as error:
        return error.code < 500
    except OSError:
        return False
    return True
