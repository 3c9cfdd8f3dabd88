"""The Kubeflow face of `ingest`."""

from kfp import dsl
from kfp.dsl import Dataset, Metrics, Output

from darkroom.runtime.step import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def ingest_component(
    data: str,
    data_version: str,
    images: Output[Dataset],
    manifest: Output[Dataset],
    metrics: Output[Metrics],
    config: dict,
    code_version: str,
    verdicts: str = "",
    verdicts_version: str = "",
    task: str = "ingest",
    part: str = "",
):
    """Packs labelled images from any source."""
    from darkroom.runtime.step import perform

    perform(
        "ingest",
        config,
        metrics,
        data=data,
        data_version=data_version,
        verdicts=verdicts,
        verdicts_version=verdicts_version,
        images=images.path,
        manifest=manifest.path,
        task=task,
        part=part,
    )
