"""The Kubeflow face of a run's last word. It stands apart from what it calls, because a task of Kubeflow can make no component."""

from kfp import dsl
from kfp.dsl import PipelineTaskFinalStatus

from darkroom.runtime.step import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def ending_component(name: str, run: str, endpoint: str, status: PipelineTaskFinalStatus):
    """Reports how the run ended."""
    from darkroom.runtime.exit_handler import report_ending

    report_ending(status.state, status.error_message or "", name, run, endpoint)
