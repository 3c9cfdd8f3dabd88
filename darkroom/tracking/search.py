"""Searches in MLflow's store, to the last page: one answer holds at most 1,000 entries, and says so only by a token."""

from collections.abc import Callable, Iterable
from typing import Any

from darkroom.tracking.client import client, is_tracked

ACTIVE, DELETED = 1, 2  # as MLflow numbers its views
_NEWEST_FIRST = ["attributes.start_time DESC"]


def all_pages(search: Callable[..., Any], *arguments: Any, **options: Any) -> list[Any]:
    """All that one of the client's searches finds.

    Args:
        search: Such as `client().search_runs`; takes `page_token`.
        arguments: What it is given.
        options: What it is given by name.
    """
    found, token = [], None
    while True:
        page = search(*arguments, **options, page_token=token)
        found += page
        token = page.token
        if not token:
            return found


def has_tag(tag: str) -> str:
    """The condition that a run has a tag."""
    return f"tags.`{tag}` LIKE '%'"


def tag_is(tag: str, value: str) -> str:
    """The condition that a tag of a run has a value."""
    return f"tags.`{tag}` = '{value}'"


def experiment_names() -> dict[str, str]:
    """The names of all experiments by their ids; none where there is no store."""
    return {str(found.experiment_id): str(found.name) for found in all_pages(client().search_experiments)} if is_tracked() else {}


def search_runs(condition: str, experiments: Iterable[str] | None = None, view: int = ACTIVE) -> list[Any]:
    """All runs that meet a condition, newest first.

    Args:
        condition: In MLflow's words, such as `tag_is(STEP, "train")`.
        experiments: Ids of the experiments that are searched; all where none are named.
        view: `ACTIVE` or `DELETED`.
    """
    where = list(experiment_names() if experiments is None else experiments)
    return all_pages(client().search_runs, where, condition, view, max_results=1000, order_by=_NEWEST_FIRST) if where else []


def newest_run(condition: str, experiments: Iterable[str] | None = None) -> Any | None:
    """The run that started last, of those that meet a condition; see `search_runs`."""
    where = list(experiment_names() if experiments is None else experiments)
    found = client().search_runs(where, condition, max_results=1, order_by=_NEWEST_FIRST) if where else []
    return found[0] if found else None


def running(condition: str, experiments: Iterable[str] | None = None) -> list[Any]:
    """The runs that MLflow has as running, of those that meet a condition; see `search_runs`."""
    return search_runs(f"attributes.status = 'RUNNING' AND {condition}", experiments)
