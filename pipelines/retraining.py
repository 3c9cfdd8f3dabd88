"""The retraining pipeline: plan, then train only if there is reason to; `register` promotes only if the new model is better.

plan -- if there is reason to --> ingest -> ... -> register -> close

It may be started any number of times, as Kubeflow's at-least-once trigger does: exactly one start trains.
"""

from typing import Any

from kfp import dsl
from kfp.dsl import Artifact, Input, OutputPath

from components import STEPS
from darkroom.runtime.step import IMAGE
from pipelines.flow import parameters, pipeline_of
from pipelines.training import FLOW, GIVEN, training


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def plan_component(
    data: str,
    name: str,
    config: dict,
    params: dict,
    force: bool,
    data_version: OutputPath(str),  # type: ignore[valid-type]
    evaluation_version: OutputPath(str),  # type: ignore[valid-type]
    unlabelled_version: OutputPath(str),  # type: ignore[valid-type]
    verdicts_version: OutputPath(str),  # type: ignore[valid-type]
    previous: OutputPath(str),  # type: ignore[valid-type]
    embed: OutputPath(dict),  # type: ignore[valid-type]
    clean: OutputPath(dict),  # type: ignore[valid-type]
    train: OutputPath(dict),  # type: ignore[valid-type]
    network: OutputPath(dict),  # type: ignore[valid-type]
    settled: OutputPath(dict),  # type: ignore[valid-type]
    lease: OutputPath(str),  # type: ignore[valid-type]
) -> str:
    """Decides whether there is reason to train, and takes the lease on the work."""
    from pipelines.retrain.cluster import plan_on_cluster

    planned = plan_on_cluster(data, name, config, params, force)
    versions = {"data_version": data_version, "evaluation_version": evaluation_version, "unlabelled_version": unlabelled_version}
    sections = {"embed": embed, "clean": clean, "train": train, "network": network, "settled": settled}
    planned.write(**versions, verdicts_version=verdicts_version, previous=previous, **sections, lease=lease)
    return planned.action  # the one returned value: kfp's local runner can't see another in a condition


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def close_component(lease: str, outcome: Input[Artifact]):
    """Ends the run that has the lease, and notifies the webhook."""
    from pipelines.retrain.cluster import close

    close(lease, outcome.path)


def _retrain(*values: Any) -> None:
    """Trains only where `plan` decides so, with the values that it returns."""
    given = dict(zip(WANTED, values, strict=True))
    planned = plan_component(data=given["data"], name=given["name"], config=given["retrain"], params=given["params"], force=given["force"])
    planned.set_display_name("plan").set_caching_options(False)  # what it decides depends on the registry and on time
    with dsl.If(planned.outputs["Output"] == "train", name="reason-to-train"):
        planned_values = {name: planned.outputs[output] for name, output in PLANNED.items()}
        outputs = training.pipeline_func(*({**given, **planned_values}[name] for name in parameters(FLOW, GIVEN)))
        closed = close_component(lease=planned.outputs["lease"], outcome=outputs.outcome)
        closed.set_display_name("close").set_caching_options(False)


_DECIDED = (
    *("data_version", "evaluation_version", "unlabelled_version", "verdicts_version", "previous"),
    *("embed", "clean", "train", "network"),
)
# values of the training pipeline that `plan` decides, and its outputs: `params`, which it takes, is called otherwise there
PLANNED = {**{name: name for name in _DECIDED}, "params": "settled"}
WANTED = {name: kind for name, kind in parameters(FLOW, GIVEN).items() if name not in PLANNED or name in (*STEPS, "params")}
WANTED |= {"retrain": dict, "force": bool}  # when there is reason to train; whether to train though nothing changed
retraining = pipeline_of(_retrain, "darkroom-retraining", "Trains if there is reason to, and promotes if the new model is better.", WANTED)
