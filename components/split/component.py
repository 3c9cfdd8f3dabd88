"""The Kubeflow face of `split`."""

from kfp import dsl
from kfp.dsl import Dataset, Input, Metrics, Output

from darkroom.runtime.step import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def split_component(
    cleaned: Input[Dataset],
    evaluation_cleaned: Input[Dataset],
    splits: Output[Dataset],
    metrics: Output[Metrics],
    config: dict,
    code_version: str,
    previous: str = "",
):
    """Assigns every image to train, validation or test."""
    from darkroom.runtime.step import perform

    perform(
        "split",
        config,
        metrics,
        cleaned=cleaned.path,
        evaluation_cleaned=evaluation_cleaned.path,
        splits=splits.path,
        previous=previous,
    )
