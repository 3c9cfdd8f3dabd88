"""The Kubeflow face of `tune`."""

from kfp import dsl
from kfp.dsl import Artifact, Dataset, Input, Metrics, Output

from darkroom.runtime.step import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def tune_component(
    images: Input[Dataset],
    augmented_images: Input[Dataset],
    examples: Input[Dataset],
    policy: Input[Artifact],
    embeddings: Input[Dataset],
    pretrained: Input[Artifact],
    tuned: Output[Artifact],
    tuned_policy: Output[Artifact],
    metrics: Output[Metrics],
    config: dict,
    code_version: str,
    train_settings: dict,
    augment_settings: dict,
    worker: int = 0,
):
    """Searches settings of the training and of what it does on the fly."""
    from darkroom.runtime.step import perform

    perform(
        "tune",
        {**config, "worker": worker},
        metrics,
        task=f"tune_worker_{worker}" if worker else "",
        images=images.path,
        augmented_images=augmented_images.path,
        examples=examples.path,
        policy=policy.path,
        embeddings=embeddings.path,
        pretrained=pretrained.path,
        tuned=tuned.path,
        tuned_policy=tuned_policy.path,
        train_settings=train_settings,
        augment_settings=augment_settings,
    )
