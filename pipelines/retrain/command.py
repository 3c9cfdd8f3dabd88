"""The command that retrains."""

import json
import sys
from typing import Annotated, Any

import typer

from pipelines.options import DEFAULT_PARAMS, Json, Params, Sets, Source
from pipelines.terminal import visible

Force = Annotated[bool, typer.Option("--force", help="Train though nothing changed.")]
WindowOption = Annotated[str, typer.Option("--window", help="day, week or month: train once in each, even if nothing changed.")]


def retrain(
    data: Source = None,
    sets: Sets = None,
    force: Force = False,
    window: WindowOption = "",
    as_json: Json = False,
    params: Params = DEFAULT_PARAMS,
) -> None:
    """Trains if there is reason to, and promotes if the new model is better; safe to start any number of times at once.

    Example: `darkroom retrain --data photos/`
    """
    from pipelines.params import refuse_own_successors
    from pipelines.plan import make_plan
    from pipelines.progress import Progress
    from pipelines.retrain import retrain

    config = retrain.read_retrain(sets or [], params, window)
    plan = make_plan(data, sets or [], params)
    refuse_own_successors(sets or [], params, plan.name)
    result = retrain.retrain(plan, config, Progress(), force=force)
    _summarise(result)
    if as_json:
        print(json.dumps(result, ensure_ascii=False))


def _summarise(result: dict[str, Any]) -> None:
    if outcome := result.get("outcome"):
        model = outcome["model"]
        alias = f", {model['alias']}" if model["alias"] else ""
        print(
            f"model   {model['name']} version {model['version']} ({model['variant']}{alias}): {visible(outcome['reason'])}", file=sys.stderr
        )
        print(f"run     {outcome['run_id']}    report  {outcome['report']}", file=sys.stderr)
