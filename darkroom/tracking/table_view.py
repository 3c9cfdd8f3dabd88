"""The table of an experiment's runs on MLflow's page, with the columns that a person looks for first.

MLflow shows no measure there until someone chooses it. It keeps a view that is to be shared as a tag of the experiment, and
opens it by the key that an address names.
"""

import json

from darkroom.tracking.tags import DECISION, MODEL_VERSION

KEY = "darkroom"
COLUMNS = (
    "metrics.`accuracy`",
    "metrics.`f1_macro`",
    "metrics.`pruned/f1_macro`",
    "metrics.`latency_ratio`",
    f"tags.`{DECISION}`",
    f"tags.`{MODEL_VERSION}`",
)


def table_view() -> str:
    """The value of the tag."""
    return json.dumps({"selectedColumns": COLUMNS})


def table_page(server: str, experiment: str) -> str:
    """The address of an experiment's table in this view.

    Args:
        server: The address of MLflow's pages.
        experiment: The experiment's id.
    """
    return f"{server.rstrip('/')}/#/experiments/{experiment}/runs?viewStateShareKey={KEY}"
