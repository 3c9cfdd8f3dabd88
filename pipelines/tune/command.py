"""The command about searches."""

import json
from typing import Annotated

import typer

from pipelines.options import DEFAULT_PARAMS, Json, Params, Sets, Source

_Apply = Annotated[bool, typer.Option("--apply", help="Write the best settings into the file of settings; its comments stay.")]


def tune(data: Source = None, sets: Sets = None, apply: _Apply = False, as_json: Json = False, params: Params = DEFAULT_PARAMS) -> None:
    """Searches settings of the training on the validation images, as the section `tune` of params.yaml says.

    Example: `darkroom tune --data photos/ --set tune.num_trials=30 --apply`
    """
    from dataclasses import replace

    from darkroom.tracking.tags import SEARCH
    from darkroom.tuned import read_plain
    from pipelines.messages import failure_notified
    from pipelines.plan import make_plan
    from pipelines.progress import Progress
    from pipelines.run.run import run
    from pipelines.tune.search_outcome import check_file, search_ending, show, tell
    from pipelines.tuning import tuning

    view = Progress()
    plan = replace(make_plan(data, [*(sets or []), "tune.enabled=true"], params), tags={SEARCH: "true"})
    if apply:
        check_file(params, plan.params["tune"]["search"])
    with failure_notified(plan.name, view):
        outcome = run(plan, view, tuning, ending=search_ending(params, apply=apply))
    show(read_plain(outcome))
    tell(outcome, params)
    if as_json:
        print(json.dumps(outcome, ensure_ascii=False))
