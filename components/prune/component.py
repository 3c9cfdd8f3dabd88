"""The Kubeflow face of `prune`."""

from kfp import dsl
from kfp.dsl import Artifact, Dataset, Input, Metrics, Model, Output

from darkroom.runtime.step import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def prune_component(
    images: Input[Dataset],
    augmented_images: Input[Dataset],
    examples: Input[Dataset],
    policy: Input[Artifact],
    model: Input[Model],
    pruned_model: Output[Model],
    metrics: Output[Metrics],
    config: dict,
    code_version: str,
):
    """Removes channels, fine-tunes, and measures what it brought."""
    from darkroom.runtime.step import perform

    perform(
        "prune",
        config,
        metrics,
        images=images.path,
        augmented_images=augmented_images.path,
        examples=examples.path,
        policy=policy.path,
        model=model.path,
        pruned_model=pruned_model.path,
    )
