"""Loops of tasks beside the pipeline's own: they share the work of a step, and the pipeline's own task concludes it.

Workers of `tune` run trials of its study at the same time. Before `ingest`, `embed` and `augment`, tasks do a part of the images or copies
each and keep it on the volume: the step then finds there what it would have made itself, so its results are the same, and makes what it
does not find.
"""

from collections.abc import Sequence
from typing import Any

from kfp import dsl
from kfp.dsl.pipeline_context import Pipeline
from kfp.dsl.pipeline_task import PipelineTask

from components.augment.component import augment_component
from components.embed.component import embed_component
from components.ingest.component import ingest_component
from components.tune.component import tune_component
from darkroom.part import parts
from darkroom.system.errors import InputError
from pipelines.platform import PlatformConfig

STEP = "tune"
TITLE = "tune_worker"  # what a run calls them, together
# steps that look at each image by itself
DIVIDED = {"ingest": ingest_component, "embed": embed_component, "augment": augment_component}


def add_workers(task: PipelineTask, number: int) -> None:
    """Adds tasks to the pipeline that is being made, beside one and with what it takes.

    No task waits for them: what they have not done when the last trial ends is done by that one.

    Args:
        task: The pipeline's own task of the step.
        number: How many work on the trials, that one included.
    """
    _add_loop(task, tune_component, "trials", TITLE, "worker", list(range(1, number)))


def add_parts(task: PipelineTask, step: str, number: int) -> None:
    """Adds tasks that do a part of a step each, for which it waits, and with what it takes; the run fails where one of them does.

    Args:
        task: The pipeline's own task of the step.
        step: One of `DIVIDED`.
        number: How many parts there are.
    """
    task.after(_add_loop(task, DIVIDED[step], f"{step}-parts", f"{step}_part", "part", list(map(str, parts(number)))))


def check_parts(platform: PlatformConfig) -> None:
    """Raises `InputError` where parts would be kept where the step can't find them."""
    if platform.num_parts > 1 and not platform.volume:
        raise InputError(
            f"platform.num_parts is {platform.num_parts}, and the tasks share no volume",
            "name one in platform.volume (ReadWriteMany), or set platform.num_parts=1",
        )


def _add_loop(task: PipelineTask, component: Any, name: str, title: str, argument: str, items: Sequence[int | str]) -> PipelineTask:
    """Adds a loop over values of an argument of a step's component, where what its own task takes can be seen."""
    groups = Pipeline.get_default_pipeline().groups
    groups.append(task.parent_task_group)
    with dsl.ParallelFor(list(items), name=name) as item:
        added = component(**task.inputs, **{argument: item})
        added.set_display_name(title)
    groups.pop()
    return added
