"""The store behind MLflow: an SQLite file of the current folder by default, or what `MLFLOW_TRACKING_URI` names.

MLflow takes seconds to import, so it is imported where it is needed. Only this module, `components.tracking` and
`components.registry` import it.
"""

import fcntl
import logging
import os
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from components.errors import InputError
from components.files import whole

if TYPE_CHECKING:
    from mlflow import MlflowClient

_WAITS_S = (1, 2, 0)  # after each try to reach a server


def tracking_uri() -> str:
    """The store's address: `MLFLOW_TRACKING_URI`, or `mlflow.db` in the current folder."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{Path.cwd() / 'mlflow.db'}"


def use_store() -> str:
    """Makes the store ready and names it in the environment, so that the steps' processes use the same one.

    Returns:
        The store's address.

    Raises:
        InputError: The server doesn't answer or refuses the credentials, or the database can't be used.
    """
    uri = tracking_uri()
    with _reaching(uri):
        if uri.startswith("sqlite:///"):
            _create_database(Path(uri.removeprefix("sqlite:///")))
        elif uri.startswith(("http://", "https://")):
            _knock(uri)
        _connect(uri).search_experiments(max_results=1)
    os.environ["MLFLOW_TRACKING_URI"] = uri
    return uri


def client() -> "MlflowClient":
    """A client of the store at `tracking_uri`; an SQLite file is made first where there is none."""
    uri = tracking_uri()
    if uri.startswith("sqlite:///"):
        with _reaching(uri):
            _create_database(Path(uri.removeprefix("sqlite:///")))
    os.environ["MLFLOW_TRACKING_URI"] = uri  # what logs a model inside MLflow looks for it here
    return _connect(uri)


def artifact_location() -> str | None:
    """Beside the database; a server decides itself."""
    uri = tracking_uri()
    return (Path(uri.removeprefix("sqlite:///")).parent / "mlartifacts").as_uri() if uri.startswith("sqlite:///") else None


def run_page(run_id: str) -> str:
    """The address of a run's page on the server, without credentials; empty where the store is no server."""
    uri = tracking_uri()
    if not uri.startswith(("http://", "https://")):
        return ""
    experiment = client().get_run(run_id).info.experiment_id
    return f"{_shown(uri).rstrip('/')}/#/experiments/{experiment}/runs/{run_id}"


def _connect(uri: str) -> "MlflowClient":
    for name, value in (("MLFLOW_LOGGING_LEVEL", "WARNING"), ("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")):
        os.environ.setdefault(name, value)
    from mlflow import MlflowClient

    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    return MlflowClient(uri)


def _create_database(path: Path) -> None:
    """Makes an SQLite store beside its place and renames it, under a lock: MLflow's own creation can be caught half-done."""
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        if not path.exists():
            with whole(path) as draft:
                _connect(f"sqlite:///{draft}").search_experiments(max_results=1)
    finally:
        os.close(folder)


def _knock(uri: str) -> None:
    """Asks a server for its health at once: MLflow's own retries go on for minutes where nobody listens."""
    for wait_s in _WAITS_S:
        try:
            urllib.request.urlopen(f"{_shown(uri).rstrip('/')}/health", timeout=10).close()
            return
        except urllib.error.HTTPError:
            return  # it speaks HTTP: what MLflow then says is clearer
        except OSError as error:
            reason = getattr(error, "reason", error)
            time.sleep(wait_s)
    raise InputError(f"no MLflow server answers at MLFLOW_TRACKING_URI={_shown(uri)} ({reason}): start it, or mend the address")


@contextmanager
def _reaching(uri: str) -> Iterator[None]:
    """Turns what comes of a wrong address, wrong credentials or an unusable database into one sentence."""
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (MlflowException, SQLAlchemyError, OSError, ValueError) as error:
        reason = " ".join(str(error).split())[:300]
        raise InputError(f"the MLflow store at {_shown(uri)} can't be used: {reason}") from None


def _shown(uri: str) -> str:
    """The address without a password that may be in it."""
    scheme, found, rest = uri.partition("://")
    return f"{scheme}://{rest.rsplit('@', 1)[-1]}" if found else uri
