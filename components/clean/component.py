"""The Kubeflow face of `clean`."""

from kfp import dsl
from kfp.dsl import Dataset, Input, Metrics, Output

from darkroom.runtime.step import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def clean_component(
    images: Input[Dataset],
    manifest: Input[Dataset],
    embeddings: Input[Dataset],
    cleaned: Output[Dataset],
    issues: Output[Dataset],
    metrics: Output[Metrics],
    config: dict,
    code_version: str,
    task: str = "clean",
):
    """Finds bad, duplicate and contradictory images, and ties those that show the same."""
    from darkroom.runtime.step import perform

    perform(
        "clean",
        config,
        metrics,
        images=images.path,
        manifest=manifest.path,
        embeddings=embeddings.path,
        cleaned=cleaned.path,
        issues=issues.path,
        task=task,
    )
