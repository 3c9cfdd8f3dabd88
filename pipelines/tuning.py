"""The search pipeline: the training pipeline up to `tune`, which hands out the settings that it found."""

from kfp.dsl import Artifact

from pipelines.flow import build
from pipelines.training import FLOW, GIVEN

_STEPS = tuple(task.title for task in FLOW)
TASKS = FLOW[: _STEPS.index("tune") + 1]
_TAKEN = (
    *("data", "data_version", "verdicts", "verdicts_version", "evaluation_data", "evaluation_version"),
    *("unlabelled_data", "unlabelled_version", "network", "previous"),
)

tuning = build(
    "darkroom-tuning",
    "Searches settings of the training on the validation images.",
    TASKS,
    {name: kind for name, kind in GIVEN.items() if name in _TAKEN} | {"train": dict},
    {"tuned": Artifact},
)
