"""The addresses of MLflow's pages: of a run, of a model's version, and of an experiment's table of runs."""

from urllib.parse import quote

from darkroom.tracking.client import client, shown, tracking_uri
from darkroom.tracking.search import all_pages
from darkroom.tracking.tags import TABLE_VIEW

_TRAINING_VIEW = "workflowType=machine_learning"  # MLflow's pages for trained models; without it they are those for language models


def run_page(run_id: str) -> str:
    """The address of a run's page on the server, without credentials; empty where the store is no server."""
    pages_at = _pages_at()
    return f"{pages_at}/experiments/{client().get_run(run_id).info.experiment_id}/runs/{run_id}?{_TRAINING_VIEW}" if pages_at else ""


def version_page(name: str, number: int) -> str:
    """The address of a registered version's page on the server, without credentials; empty where the store is no server."""
    pages_at = _pages_at()
    return f"{pages_at}/models/{quote(name, safe='')}/versions/{number}?{_TRAINING_VIEW}" if pages_at else ""


def table_page(server: str, experiment: str) -> str:
    """The address of an experiment's table of runs, with the columns that a person looks for first.

    Args:
        server: The address of MLflow's pages.
        experiment: The experiment's id.
    """
    return f"{server.rstrip('/')}/#/experiments/{experiment}/runs?viewStateShareKey={TABLE_VIEW.rpartition('.')[2]}&{_TRAINING_VIEW}"


def newest_table(server: str) -> str:
    """The address of the table of runs of the experiment that was made last, on MLflow's pages at `server`; or of the pages."""
    found = all_pages(client().search_experiments, order_by=["creation_time DESC"])
    tables = (table_page(server, experiment.experiment_id) for experiment in found if TABLE_VIEW in experiment.tags)
    return next(tables, f"{server.rstrip('/')}/#/experiments?{_TRAINING_VIEW}")


def _pages_at() -> str:
    uri = tracking_uri()
    return f"{shown(uri).rstrip('/')}/#" if uri.startswith(("http://", "https://")) else ""
