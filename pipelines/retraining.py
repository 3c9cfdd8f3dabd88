"""The retraining pipeline: plan, then train only if there is reason to; `register` promotes only if the new model is better.

plan -- if there is reason to --> ingest -> ... -> register -> close

It may be started any number of times, as Kubeflow's at-least-once trigger does: exactly one start trains.
"""

from kfp import dsl
from kfp.dsl import Artifact, Input, OutputPath

from darkroom.runtime.step import IMAGE
from pipelines.training import training


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def plan_component(
    data: str,
    name: str,
    config: dict,
    params: dict,
    force: bool,
    data_version: OutputPath(str),  # type: ignore[valid-type]
    previous: OutputPath(str),  # type: ignore[valid-type]
    train: OutputPath(dict),  # type: ignore[valid-type]
    claim: OutputPath(str),  # type: ignore[valid-type]
) -> str:
    """Decides whether there is reason to train, and claims the work."""
    from pipelines.retrain.cluster import plan_on_cluster

    planned = plan_on_cluster(data, name, config, params, force)
    planned.write(data_version=data_version, previous=previous, train=train, claim=claim)
    return planned.action  # the one returned value: kfp's local runner can't see another in a condition


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def close_component(claim: str, outcome: Input[Artifact]):
    """Ends what `plan` has claimed, and tells the webhook what came of it."""
    from pipelines.retrain.cluster import close

    close(claim, outcome.path)


@dsl.pipeline(name="darkroom-retraining", description="Trains if there is reason to, and promotes if the new model is better.")
def retraining(
    data: str,
    name: str,
    ingest: dict,
    clean: dict,
    split: dict,
    augment: dict,
    train: dict,
    evaluate: dict,
    prune: dict,
    register: dict,
    report: dict,
    params: dict,
    retrain: dict,
    force: bool = False,
):
    """Takes a turn of retraining.

    Args:
        data: Where the images are.
        name: The model's name in the registry.
        ingest: Settings of the step, as in `params.yaml`; so the others.
        params: All settings of the steps, a section each.
        retrain: When there is reason to train, as in `params.yaml`.
        force: Whether to train though nothing changed.
    """
    planned = plan_component(data=data, name=name, config=retrain, params=params, force=force)
    planned.set_display_name("plan").set_caching_options(False)  # what it decides depends on the registry and on time
    with dsl.If(planned.outputs["Output"] == "train", name="reason-to-train"):
        outputs = training.pipeline_func(
            data=data,
            data_version=planned.outputs["data_version"],
            name=name,
            previous=planned.outputs["previous"],
            ingest=ingest,
            clean=clean,
            split=split,
            augment=augment,
            train=planned.outputs["train"],
            evaluate=evaluate,
            prune=prune,
            register=register,
            report=report,
            params=params,
        )
        closed = close_component(claim=planned.outputs["claim"], outcome=outputs.outcome)
        closed.set_display_name("close").set_caching_options(False)
