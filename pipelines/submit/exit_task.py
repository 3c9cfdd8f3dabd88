"""The Kubeflow component of the exit task, which reports how a run ended.

It is not in the module that it calls: that one is imported while a task runs, when kfp can define no component.
"""

from kfp import dsl
from kfp.dsl import PipelineTaskFinalStatus

from darkroom.runtime.step import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def ending_component(name: str, run: str, endpoint: str, status: PipelineTaskFinalStatus):
    """Reports how the run ended."""
    from darkroom.runtime.exit_handler import report_ending

    report_ending(status.state, status.error_message or "", name, run, endpoint)
