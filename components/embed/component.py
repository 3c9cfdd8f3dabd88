"""The Kubeflow face of `embed`."""

from kfp import dsl
from kfp.dsl import Dataset, Input, Metrics, Output

from darkroom.runtime.step import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def embed_component(
    images: Input[Dataset],
    embeddings: Output[Dataset],
    metrics: Output[Metrics],
    config: dict,
    code_version: str,
    task: str = "embed",
    part: str = "",
):
    """Looks at every image once through a backbone."""
    from darkroom.runtime.step import perform

    perform("embed", config, metrics, images=images.path, embeddings=embeddings.path, task=task, part=part)
