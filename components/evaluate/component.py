"""The Kubeflow face of `evaluate`."""

from kfp import dsl
from kfp.dsl import Artifact, ClassificationMetrics, Dataset, Input, Metrics, Model, Output

from darkroom.runtime.step import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def evaluate_component(
    images: Input[Dataset],
    splits: Input[Dataset],
    model: Input[Model],
    evaluation_images: Input[Dataset],
    evaluation_cleaned: Input[Dataset],
    leaks: Input[Dataset],
    evaluation: Output[Artifact],
    classification_metrics: Output[ClassificationMetrics],
    metrics: Output[Metrics],
    config: dict,
    code_version: str,
    task: str = "evaluate",
):
    """Scores a model on the test split."""
    from darkroom.runtime.step import perform, report_curves

    perform(
        "evaluate",
        config,
        metrics,
        images=images.path,
        splits=splits.path,
        model=model.path,
        evaluation_images=evaluation_images.path,
        evaluation_cleaned=evaluation_cleaned.path,
        leaks=leaks.path,
        evaluation=evaluation.path,
        task=task,
    )
    report_curves(evaluation.path, classification_metrics)
