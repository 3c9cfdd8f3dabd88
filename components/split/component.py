"""The Kubeflow face of `split`."""

from kfp import dsl
from kfp.dsl import Dataset, Input, Metrics, Output

from darkroom.runtime.step import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def split_component(
    cleaned: Input[Dataset],
    evaluation_cleaned: Input[Dataset],
    images: Input[Dataset],
    embeddings: Input[Dataset],
    evaluation_images: Input[Dataset],
    evaluation_embeddings: Input[Dataset],
    splits: Output[Dataset],
    leaks: Output[Dataset],
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
        images=images.path,
        embeddings=embeddings.path,
        evaluation_images=evaluation_images.path,
        evaluation_embeddings=evaluation_embeddings.path,
        splits=splits.path,
        leaks=leaks.path,
        previous=previous,
    )
