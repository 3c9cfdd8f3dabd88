"""Tasks of `tune` beside the pipeline's own: they run trials of the same study, and the pipeline's own one concludes it."""

from kfp import dsl
from kfp.dsl.pipeline_context import Pipeline
from kfp.dsl.pipeline_task import PipelineTask

from components.tune.component import tune_component

STEP = "tune"
TITLE = "tune_worker"  # what a run calls them, together


def add_workers(task: PipelineTask, number: int) -> None:
    """Adds tasks to the pipeline that is being made, beside one and with what it takes.

    No task waits for them: what they have not done when the last trial ends is done by that one.

    Args:
        task: The pipeline's own task of the step.
        number: How many work on the trials, that one included.
    """
    groups = Pipeline.get_default_pipeline().groups
    groups.append(task.parent_task_group)  # where what it takes can be seen
    with dsl.ParallelFor(list(range(1, number)), name="trials") as worker:
        added = tune_component(**task.inputs, worker=worker)
        added.set_display_name(TITLE)
    groups.pop()
