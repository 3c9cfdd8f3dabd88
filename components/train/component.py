"""The Kubeflow face of `train`."""

from kfp import dsl
from kfp.dsl import Artifact, Dataset, Input, Metrics, Model, Output

from darkroom.runtime.step import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def train_component(
    images: Input[Dataset],
    augmented_images: Input[Dataset],
    examples: Input[Dataset],
    policy: Input[Artifact],
    embeddings: Input[Dataset],
    pretrained: Input[Artifact],
    tuned: Input[Artifact],
    model: Output[Model],
    floor_model: Output[Model],
    history: Output[Artifact],
    learning_curves: Output[Artifact],
    metrics: Output[Metrics],
    config: dict,
    code_version: str,
    floor_measure: str = "",
):
    """Trains a classifier."""
    from darkroom.runtime.step import perform

    perform(
        "train",
        config,
        metrics,
        images=images.path,
        augmented_images=augmented_images.path,
        examples=examples.path,
        policy=policy.path,
        embeddings=embeddings.path,
        pretrained=pretrained.path,
        tuned=tuned.path,
        model=model.path,
        floor_model=floor_model.path,
        floor_measure=floor_measure,
        history=history.path,
        learning_curves=learning_curves.path,
    )
