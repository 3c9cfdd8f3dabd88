"""Starts the shared MLflow server: PostgreSQL behind it, an S3-compatible store for artifacts, basic authentication in front.

All settings come from the environment, see `.env.example`; no secret is ever part of a command line.
"""

import configparser
import os
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import quote

SECRETS = ("POSTGRES_PASSWORD", "AWS_SECRET_ACCESS_KEY", "MLFLOW_AUTH_ADMIN_PASSWORD", "MLFLOW_FLASK_SERVER_SECRET_KEY")
NAMES = ("POSTGRES_HOST", "POSTGRES_USER", "POSTGRES_DB", "AWS_ACCESS_KEY_ID", "MLFLOW_S3_ENDPOINT_URL", "MLFLOW_BUCKET")
SHORTEST_SECRET = 12  # MLflow's own limit for passwords
WAIT_S = 90  # for the database and the store to come up
LOCK = 3_170_001  # any number that all servers of one database share: the first makes the tables, the others wait


def main() -> None:
    """Checks the settings, waits for what is behind the server, makes the tables and the bucket, and becomes the server."""
    check_environment()
    make_bucket()
    make_tables()
    os.environ |= {
        "MLFLOW_BACKEND_STORE_URI": database_uri(),
        "MLFLOW_ARTIFACTS_DESTINATION": f"s3://{os.environ['MLFLOW_BUCKET']}",
        "MLFLOW_SERVE_ARTIFACTS": "true",
        "MLFLOW_AUTH_CONFIG_PATH": str(write_auth_config()),
    }
    os.execv(sys.executable, [sys.executable, "-m", "mlflow", "server", "--app-name", "basic-auth"])


def check_environment() -> None:
    """Ends with one sentence where a setting is missing or a secret is too short to be one."""
    missing = [name for name in (*NAMES, *SECRETS) if not os.environ.get(name)]
    short = [name for name in SECRETS if 0 < len(os.environ.get(name, "")) < SHORTEST_SECRET]
    if missing or short:
        said = [f"{', '.join(missing)} must be set"] if missing else []
        said += [f"{', '.join(short)} must have at least {SHORTEST_SECRET} characters"] if short else []
        sys.exit(f"error: {'; '.join(said)}: see .env.example")


def database_uri() -> str:
    """The database's address with its password, for SQLAlchemy."""
    given = os.environ
    login = f"{quote(given['POSTGRES_USER'], safe='')}:{quote(given['POSTGRES_PASSWORD'], safe='')}"
    place = f"{given['POSTGRES_HOST']}:{given.get('POSTGRES_PORT', '5432')}/{quote(given['POSTGRES_DB'], safe='')}"
    return f"postgresql+pg8000://{login}@{place}"


def write_auth_config() -> Path:
    """Writes MLflow's file of authentication settings where only this user reads it; accounts live in the same database."""
    config = configparser.ConfigParser(interpolation=None)
    config["mlflow"] = {
        "default_permission": os.environ.get("MLFLOW_DEFAULT_PERMISSION", "READ"),
        "database_uri": database_uri().replace("%", "%%"),  # MLflow reads it with interpolation
        "admin_username": os.environ.get("MLFLOW_AUTH_ADMIN_USERNAME", "admin"),
        "authorization_function": "mlflow.server.auth:authenticate_request_basic_auth",
    }
    path = Path(tempfile.mkdtemp(prefix="mlflow-auth-")) / "basic_auth.ini"
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
        config.write(file)
    return path


def make_bucket() -> None:
    """Makes the bucket where it is missing."""
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError

    store, bucket = boto3.client("s3", endpoint_url=os.environ["MLFLOW_S3_ENDPOINT_URL"]), os.environ["MLFLOW_BUCKET"]

    def attempt() -> None:
        try:
            store.head_bucket(Bucket=bucket)
        except ClientError as error:
            if error.response["Error"]["Code"] not in ("404", "NoSuchBucket"):
                raise
            store.create_bucket(Bucket=bucket)

    patiently("the store of artifacts", attempt, (BotoCoreError, ClientError))


def make_tables() -> None:
    """Makes MLflow's tables in an empty database; several servers that start at once take turns."""
    import sqlalchemy
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    engine = sqlalchemy.create_engine(database_uri())

    def attempt() -> None:
        with engine.connect() as connection:
            connection.execute(sqlalchemy.text("SELECT pg_advisory_lock(:lock)"), {"lock": LOCK})
            if is_older(connection):
                upgrade()
            SqlAlchemyStore(database_uri(), "mlflow-artifacts:/")

    patiently("the database", attempt, sqlalchemy.exc.DBAPIError)
    engine.dispose()


def is_older(connection) -> bool:  # type: ignore[no-untyped-def]
    """Whether an older MLflow made the tables; looked at here, because MLflow itself changes some of them without a word."""
    import mlflow.store
    from alembic.migration import MigrationContext
    from alembic.script import ScriptDirectory
    from alembic.util import CommandError

    known = ScriptDirectory(str(Path(mlflow.store.__file__).parent / "db_migrations"))
    found = MigrationContext.configure(connection).get_current_revision()
    try:
        known.get_revision(found or "base")
    except CommandError:
        sys.exit("error: a newer MLflow made the database: go back to its image, or restore a backup of this one")
    return found is not None and found != known.get_current_head()


def upgrade() -> None:
    """Brings the tables of an older MLflow to this one's version, where that was asked for."""
    if os.environ.get("MLFLOW_UPGRADE_DATABASE", "").lower() not in ("true", "1"):
        sys.exit("error: an older MLflow made the database: back it up, then start once with MLFLOW_UPGRADE_DATABASE=true")
    from mlflow.cli import cli

    cli.main(["db", "upgrade", database_uri()], standalone_mode=False)  # in this process: its arguments are seen by nobody


def patiently(what: str, attempt, temporary) -> None:  # type: ignore[no-untyped-def]
    """Tries again for a while where something does not answer yet; the reason at the end holds no secret."""
    end = time.monotonic() + WAIT_S
    while True:
        try:
            attempt()
            return
        except temporary as error:
            if time.monotonic() > end:
                reason = " ".join(str(getattr(error, "orig", error)).split())[:300]
                sys.exit(f"error: {what} can't be used: {reason}")
            time.sleep(1)


if __name__ == "__main__":
    main()
