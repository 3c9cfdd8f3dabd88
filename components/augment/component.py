"""The Kubeflow face of `augment`."""

from kfp import dsl
from kfp.dsl import Artifact, Dataset, Input, Metrics, Output

from darkroom.runtime.step import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def augment_component(
    images: Input[Dataset],
    splits: Input[Dataset],
    augmented_images: Output[Dataset],
    examples: Output[Dataset],
    policy: Output[Artifact],
    contact_sheet: Output[Artifact],
    metrics: Output[Metrics],
    config: dict,
    code_version: str,
    part: str = "",
):
    """Balances the training split and settles what training does to a picture on the fly."""
    from darkroom.runtime.step import perform

    perform(
        "augment",
        config,
        metrics,
        images=images.path,
        splits=splits.path,
        augmented_images=augmented_images.path,
        examples=examples.path,
        policy=policy.path,
        contact_sheet=contact_sheet.path,
        part=part,
    )
