"""The Kubeflow face of `report`."""

from kfp import dsl
from kfp.dsl import HTML, Artifact, Dataset, Input, Metrics, Model, Output

from darkroom.runtime.step import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def report_component(
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
    outcome: Input[Artifact],
    tuned: Input[Artifact],
    pretrained: Input[Artifact],
    report: Output[HTML],
    metrics: Output[Metrics],
    config: dict,
    code_version: str,
    params: dict,
):
    """Shows a run from its data to the decision about its model."""
    from darkroom.runtime.step import perform

    perform(
        "report",
        config,
        metrics,
        keep={"report.html": report.path},
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
        tuned=tuned.path,
        pretrained=pretrained.path,
        report=report.path,
        params=params,
    )
