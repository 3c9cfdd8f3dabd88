"""From a list of tasks to a pipeline: a task gets, by name, what tasks before it made, what the run was given, and its settings."""

import inspect
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from kfp import dsl
from kfp.dsl import HTML, Artifact, Metrics
from kfp.dsl.base_component import BaseComponent
from kfp.dsl.graph_component import GraphComponent

from darkroom.versions.code import code_version

RESULTS: Mapping[str, type] = {"outcome": Artifact, "report": HTML}  # artifacts that a run ends with
METRICS = "metrics"  # the output of every step with what it measured
_OWN = ("config", "code_version", "task", "worker", "part")  # inputs that are neither made by a task nor given to the run


@dataclass(frozen=True)
class Task:
    """A step's place in a pipeline.

    Attributes:
        component: The step's Kubeflow face.
        name: What the run calls it; the step's own name where none is given.
        renames: What the pipeline calls some of the step's inputs and outputs, where a step runs twice.
        settings: The pipeline's parameter with its settings; the step's section where none is given.
        cached: Whether the cache may answer.
        needs: The pipeline's parameter without which the task is switched off.
        leaves_out: Inputs of the step that the task does not take: their defaults hold.
    """

    component: BaseComponent
    name: str = ""
    renames: Mapping[str, str] = field(default_factory=dict)
    settings: str = ""
    cached: bool = True
    needs: str = ""
    leaves_out: Collection[str] = ()

    @property
    def step(self) -> str:
        """The step's name."""
        return str(self.component.component_spec.name).removesuffix("-component")

    @property
    def title(self) -> str:
        """What the run calls it."""
        return self.name or self.step

    @property
    def section(self) -> str:
        """The pipeline's parameter with its settings."""
        return self.settings or self.step

    def inputs(self) -> dict[str, str]:
        """What the pipeline calls each input, by the step's own name for it."""
        return self._named(name for name in self.component.component_spec.inputs or {} if name not in {*_OWN, *self.leaves_out})

    def outputs(self) -> dict[str, str]:
        """What the pipeline calls each artifact that the step makes, by the step's own name for it."""
        made = self.component.component_spec.outputs or {}
        return self._named(name for name, output in made.items() if name != METRICS and output.type.startswith("system."))

    def _named(self, names: Any) -> dict[str, str]:
        return {name: self.renames.get(name, name) for name in names}


def parameters(tasks: Sequence[Task], given: Mapping[str, type]) -> dict[str, type]:
    """Names and types of what a pipeline is started with: values of the run, and a section of settings for each step."""
    return {**given, **{task.section: dict for task in tasks}}


def switched_off(tasks: Sequence[Task], arguments: Mapping[str, Any]) -> frozenset[str]:
    """What a run calls the tasks that are switched off, by their settings (`enabled: false`) or as what they need is not given.

    They do nothing, and no list shows them.

    Args:
        tasks: Those of the pipeline.
        arguments: What it is started with.
    """
    disabled = {task.title for task in tasks if arguments.get(task.section, {}).get("enabled") is False}
    return frozenset(disabled | {task.title for task in tasks if task.needs and not arguments.get(task.needs)})


def build(
    name: str, description: str, tasks: Sequence[Task], given: Mapping[str, type], results: Mapping[str, type] = RESULTS
) -> GraphComponent:
    """Makes the pipeline of some tasks, which hands out some artifacts and the measures of each task.

    Args:
        name: The pipeline's name on Kubeflow.
        description: One sentence for its page.
        tasks: The tasks, each after those whose artifacts it takes.
        given: Names and types of the values that a run gives, beside settings.
        results: Names and types of the artifacts.
    """
    wanted = parameters(tasks, given)
    outputs = _outputs(tasks, results)

    def run_tasks(*values: Any) -> Any:
        known = dict(zip(wanted, values, strict=True))
        artifacts: dict[str, Any] = {}
        started = [_start(task, known, artifacts) for task in tasks]
        return outputs(*(artifacts[name] for name in results), *(one.outputs[METRICS] for one in started))

    return pipeline_of(run_tasks, name, description, wanted, outputs)


def pipeline_of(
    function: Callable[..., Any], name: str, description: str, wanted: Mapping[str, type], outputs: Any = inspect.Signature.empty
) -> GraphComponent:
    """Makes a pipeline of a function that takes values in the order of these names, which kfp reads from its signature."""
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    known = [inspect.Parameter(parameter, kind, annotation=annotation) for parameter, annotation in wanted.items()]
    function.__signature__ = inspect.Signature(known, return_annotation=outputs)  # type: ignore[attr-defined]
    made: GraphComponent = dsl.pipeline(name=name, description=description)(function)
    return made


def _outputs(tasks: Sequence[Task], results: Mapping[str, type]) -> Any:
    """The type of what a pipeline hands out."""
    fields = [*results.items(), *((f"{task.title}_metrics", Metrics) for task in tasks)]
    return NamedTuple("Outputs", fields)


def _start(task: Task, known: Mapping[str, Any], artifacts: dict[str, Any]) -> Any:
    """Adds a task to the pipeline that is being made, and its artifacts to those that later tasks may take."""
    takes = {own: artifacts[name] if name in artifacts else known[name] for own, name in task.inputs().items()}
    constants = {"code_version": code_version(task.step), "task": task.title, "config": known[task.section]}
    takes |= {name: value for name, value in constants.items() if name in (task.component.component_spec.inputs or {})}
    started = task.component(**takes)
    if task.name:
        started.set_display_name(task.name)
    if not task.cached:
        started.set_caching_options(False)
    artifacts |= {name: started.outputs[own] for own, name in task.outputs().items()}
    return started
