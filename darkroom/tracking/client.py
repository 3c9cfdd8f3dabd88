"""The store behind MLflow: an SQLite file of the current folder by default, or what `MLFLOW_TRACKING_URI` names.

MLflow takes seconds to import, so it is imported where it is needed, and only in `darkroom/tracking` and `darkroom/registry`.
"""

import json
import logging
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from darkroom.system.errors import AccessError, InputError
from darkroom.system.faults import explain
from darkroom.system.secrets import redact
from darkroom.system.web import retrying, root_cause
from darkroom.tracking import sqlite_store
from darkroom.tracking.tags import DECISION, EXPERIMENT_KIND, MODEL_VERSION, TABLE_VIEW

if TYPE_CHECKING:
    from mlflow import MlflowClient

_COLUMNS = (  # of an experiment's table of runs: MLflow itself shows no measure there until someone chooses it
    "metrics.`accuracy`",
    "metrics.`f1_macro`",
    "metrics.`pruned/f1_macro`",
    "metrics.`latency_ratio`",
    f"tags.`{DECISION}`",
    f"tags.`{MODEL_VERSION}`",
)
_QUIET = {
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",  # two lines a run
}
_NUM_RETRIES, _BACKOFF_S = 2, 1.0  # of a server that does not answer
_DRIVERS = {"psycopg2": "psycopg2-binary", "MySQLdb": "mysqlclient", "pymysql": "PyMySQL", "psycopg": "psycopg[binary]"}
_DATABASES = ("sqlite", "postgresql", "mysql", "mssql")


def tracking_uri() -> str:
    """The store's address, whatever the current folder: `MLFLOW_TRACKING_URI`, or `mlflow.db` in the current folder."""
    return sqlite_store.from_root(os.environ.get("MLFLOW_TRACKING_URI") or "sqlite:///mlflow.db")


def database() -> Path | None:
    """The file that is the store; nothing where a server is, or another kind of database."""
    return sqlite_store.file_of(tracking_uri())


def is_tracked() -> bool:
    """Whether there is a store, so that something may stand in it; a server is taken to be there.

    Raises:
        InputError: The address names a file in a folder that is not there.
    """
    path = database()
    if path and not path.parent.is_dir():
        raise InputError(f"MLFLOW_TRACKING_URI is {shown(tracking_uri())}, but there is no folder {path.parent}", "correct it")
    return path is None or path.exists()


def use_store(*, create: bool = False) -> str:
    """Makes sure of the store and names it in the environment, so that the steps' processes use the same one.

    Args:
        create: Whether an SQLite file is made where there is none.

    Returns:
        The store's address.

    Raises:
        InputError: The server doesn't answer or refuses the credentials, or the database can't be used.
    """
    uri, path = tracking_uri(), database()
    with store_errors_as_input_errors():
        if path and create:
            sqlite_store.create(path, _ask)
        if path and path.exists():
            sqlite_store.check(path)
            sqlite_store.re_root(path)
        elif uri.startswith(("http://", "https://")):
            _require_answer(uri)
        if is_tracked():
            _ask(uri)
    os.environ["MLFLOW_TRACKING_URI"] = uri
    return uri


def client() -> "MlflowClient":
    """A client of the store at `tracking_uri`.

    Raises:
        InputError: It is an SQLite file that does not exist: only a run makes one.
    """
    uri, path = tracking_uri(), database()
    if path and not path.exists():
        raise InputError(f"nothing is tracked yet: there is no {path}", "start a run, or name another store in MLFLOW_TRACKING_URI")
    os.environ["MLFLOW_TRACKING_URI"] = uri  # what logs a model inside MLflow looks for it here
    return _connect(uri)


def server_version(timeout_s: int = 10) -> str:
    """The version of the MLflow server at `tracking_uri`, with the credentials of the environment.

    Raises:
        InputError: The server doesn't answer or refuses the credentials.
    """
    from mlflow.exceptions import MlflowException

    uri = tracking_uri()
    _require_answer(uri)
    with store_errors_as_input_errors():
        from mlflow.utils.credentials import get_default_host_creds
        from mlflow.utils.rest_utils import http_request

        login = get_default_host_creds(uri)  # type: ignore[no-untyped-call]
        answer = http_request(login, "/version", "GET", timeout=timeout_s, max_retries=0)  # type: ignore[no-untyped-call]
        if answer.status_code in (401, 403):
            raise _refusal(uri, answer.status_code)
        if answer.status_code != 200:
            raise MlflowException(f"it answers /version with status {answer.status_code}, as no MLflow server does")
        return str(answer.text.strip())


def artifact_location() -> str | None:
    """Beside the database; a server decides itself."""
    path = database()
    return (path.parent / sqlite_store.ARTIFACTS).as_uri() if path else None


def experiment_id(name: str) -> str:
    """The id of an experiment, which is made where it is missing, also when others make it at the same time; so is the store.

    Raises:
        InputError: The experiment was deleted.
    """
    from mlflow.exceptions import MlflowException

    if not is_tracked():
        use_store(create=True)
    store = client()
    experiment = store.get_experiment_by_name(name)
    if experiment is None:
        try:
            tags = {EXPERIMENT_KIND: "custom_model_development", TABLE_VIEW: json.dumps({"selectedColumns": _COLUMNS})}
            return str(store.create_experiment(name, artifact_location(), tags=tags))
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        return experiment_id(name)  # another process made it just now
    if experiment.lifecycle_stage == "deleted":
        command = f"MLFLOW_TRACKING_URI={shown(tracking_uri())} mlflow experiments restore --experiment-id {experiment.experiment_id}"
        raise InputError(f"the MLflow experiment {name!r} was deleted", f"restore it with `{command}`, or name another in register.name")
    return str(experiment.experiment_id)


def shown(uri: str) -> str:
    """An address without the user and the password that may be in it."""
    scheme, found, rest = uri.partition("://")
    return f"{scheme}://{rest.rsplit('@', 1)[-1]}" if found else uri


def _connect(uri: str) -> "MlflowClient":
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    from mlflow import MlflowClient

    for logger in map(logging.getLogger, ("mlflow", "alembic")):
        if logger.level != logging.WARNING:  # to set a level empties the caches of all loggers
            logger.setLevel(logging.WARNING)
    return MlflowClient(uri)


def _ask(uri: str) -> None:
    """Asks a store for something small; MLflow makes an SQLite file that is missing."""
    _connect(uri).search_experiments(max_results=1)


def _require_answer(uri: str) -> None:
    """Requests a server's health with few retries: MLflow itself retries for minutes where no server listens."""
    insecure = os.environ.get("MLFLOW_TRACKING_INSECURE_TLS", "").lower() in ("true", "1")
    trusted = os.environ.get("MLFLOW_TRACKING_SERVER_CERT_PATH") or True  # or what REQUESTS_CA_BUNDLE names: as MLflow does it
    try:
        with retrying(_NUM_RETRIES, _BACKOFF_S) as session:  # any status will do: what MLflow then says is clearer
            session.get(f"{shown(uri).rstrip('/')}/health", timeout=10, verify=False if insecure else trusted)
    except (OSError, ValueError) as error:
        problem = f"no MLflow server answers at MLFLOW_TRACKING_URI={shown(uri)} ({root_cause(error)})"
        raise InputError(problem, "start it, or correct the address") from None


@contextmanager
def store_errors_as_input_errors() -> Iterator[None]:
    """Turns the errors of a wrong address, wrong credentials or an unusable database into an `InputError` without a secret."""
    uri = tracking_uri()
    try:
        yield
    except Exception as error:
        from mlflow.exceptions import MlflowException
        from sqlalchemy.exc import SQLAlchemyError

        if isinstance(error, ModuleNotFoundError) and uri.startswith(_DATABASES):
            missing = _DRIVERS.get(str(error.name), str(error.name))
            problem = f"the MLflow store at {shown(uri)} needs the package {missing}, which is not installed"
            raise InputError(problem, f"`pip install '{missing}'`, or name another store in MLFLOW_TRACKING_URI") from None
        if isinstance(error, InputError) or not isinstance(error, (MlflowException, SQLAlchemyError, sqlite3.Error, OSError, ValueError)):
            raise
        status = error.get_http_status_code() if isinstance(error, MlflowException) else 0  # type: ignore[no-untyped-call]
        if uri.startswith(("http://", "https://")) and status in (401, 403):
            raise _refusal(uri, status) from None
        reason = explain(error, str(database() or "")) or " ".join(redact(str(error)).split())[:300]
        raise InputError(f"the MLflow store at {shown(uri)} can't be used: {reason}") from None


def _refusal(uri: str, status: int) -> AccessError:
    name = os.environ.get("MLFLOW_TRACKING_USERNAME", "")
    if status == 403:
        refused = f"the MLflow server at {shown(uri)} does not allow this to {name or 'this user'}"
        return AccessError(refused, "ask its administrator for the permission")
    if os.environ.get("MLFLOW_TRACKING_AUTH"):
        credentials = f"what MLFLOW_TRACKING_AUTH={os.environ['MLFLOW_TRACKING_AUTH']} presents"
    elif name:
        credentials = f"the user {name!r} with this password"
    else:
        credentials = "the token" if os.environ.get("MLFLOW_TRACKING_TOKEN") else "a client without credentials"
    refused = f"the MLflow server at {shown(uri)} refuses {credentials} ({status})"
    return AccessError(refused, "correct MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD")
