"""The Kubeflow face of `pretrain`."""

from kfp import dsl
from kfp.dsl import Artifact, Dataset, Input, Metrics, Output

from darkroom.runtime.step import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def pretrain_component(
    images: Input[Dataset],
    examples: Input[Dataset],
    policy: Input[Artifact],
    unlabelled_images: Input[Dataset],
    unlabelled_manifest: Input[Dataset],
    evaluation_cleaned: Input[Dataset],
    pretrained: Output[Artifact],
    metrics: Output[Metrics],
    config: dict,
    code_version: str,
    network: dict,
):
    """Lets a network learn from images without labels."""
    from darkroom.runtime.step import perform

    perform(
        "pretrain",
        config,
        metrics,
        images=images.path,
        examples=examples.path,
        policy=policy.path,
        unlabelled_images=unlabelled_images.path,
        unlabelled_manifest=unlabelled_manifest.path,
        evaluation_cleaned=evaluation_cleaned.path,
        pretrained=pretrained.path,
        network=network,
    )
