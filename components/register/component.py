"""The Kubeflow face of `register`."""

from typing import NamedTuple

from kfp import dsl
from kfp.dsl import Artifact, Dataset, Input, Markdown, Metrics, Model, Output

from darkroom.runtime.step import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def register_component(
    model: Input[Model],
    pruned_model: Input[Model],
    evaluation: Input[Artifact],
    pruned_evaluation: Input[Artifact],
    floor_evaluation: Input[Artifact],
    splits: Input[Dataset],
    issues: Input[Dataset],
    contact_sheet: Input[Artifact],
    history: Input[Artifact],
    learning_curves: Input[Artifact],
    outcome: Output[Artifact],
    summary: Output[Markdown],
    metrics: Output[Metrics],
    config: dict,
    code_version: str,
    name: str,
    params: dict,
    previous: str = "",
) -> NamedTuple("Identifiers", [("model_name", str), ("model_version", str), ("run_id", str)]):  # type: ignore[valid-type]
    """Registers the model, and promotes it if it is better."""
    from darkroom.outcome import identifiers
    from darkroom.runtime.step import perform

    perform(
        "register",
        config,
        metrics,
        model=model.path,
        pruned_model=pruned_model.path,
        evaluation=evaluation.path,
        pruned_evaluation=pruned_evaluation.path,
        floor_evaluation=floor_evaluation.path,
        splits=splits.path,
        issues=issues.path,
        contact_sheet=contact_sheet.path,
        history=history.path,
        learning_curves=learning_curves.path,
        outcome=outcome.path,
        name=name,
        params=params,
        previous=previous,
        summary=summary.path,
    )
    return identifiers(outcome.path)
