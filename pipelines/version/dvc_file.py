"""Writes `dvc.yaml` from the pipeline's tasks (`make stages`): each is a stage, except `register`, as DVC registers nothing."""

import argparse
from pathlib import Path

from components import STEPS
from darkroom.runtime.step import NETWORK, arguments_of
from darkroom.system.files import whole
from pipelines.flow import Task
from pipelines.training import FLOW

HEAD = """# The steps as DVC stages, in flow order, from the same params.yaml as `darkroom run`: written by `make stages`.
# Nothing is registered here; packed images are not stored twice (cache: false).
vars:
  - python: .venv/bin/python # the environment that `make install` makes

stages:
  # Says so, and stops, where data/ is not the version in data.dvc. Were data/ a dependency, DVC would rewrite data.dvc
  # in silence instead.
  versions:
    cmd: ${python} -m pipelines.version.stages data build/versions
    always_changed: true
    outs:
"""
ENDINGS = {
    "manifest": ".parquet", "cleaned": ".parquet", "issues": ".parquet", "splits": ".parquet", "leaks": ".parquet", "examples": ".parquet",
    "policy": ".json", "tuned": ".json", "tuned_policy": ".json", "contact_sheet": ".png", "history": ".csv", "report": ".html",
}  # fmt: skip
PLOTS = {"contact_sheet": "", "history": ", x: epoch, y: validation_f1_macro"}
FILES = {  # a step's setting names a file, whose version this is
    "embed": "embed_weights", "clean": "verdicts", "pretrain": "train_weights", "tune": "train_weights", "train": "train_weights",
}  # fmt: skip
SOURCES = {  # where from, and its version's file
    "ingest": ("data", "data"),
    "ingest_evaluation": ("'${evaluate.data}'", "evaluation"),
    "ingest_unlabelled": ("'${pretrain.data}'", "unlabelled"),
}
SETTINGS = {  # of other sections, that a task reads
    "ingest": ["clean.verdicts"],
    "ingest_evaluation": ["evaluate.data", "evaluate.ingest", "clean.verdicts"],
    "ingest_unlabelled": ["pretrain.enabled", "pretrain.data", "pretrain.ingest"],
    "pretrain": [f"train.{name}" for name in NETWORK],
    "tune": ["train", "augment"],
    "train": ["register.measure"],
}


def staged_tasks() -> list[Task]:
    """The tasks that are stages: DVC registers nothing."""
    return [task for task in FLOW if task.step != "register"]


def version_files() -> list[str]:
    """The files in `build/versions` that the stages depend on: of data and further data, verdicts and weights, and each step's code."""
    return [
        *(version for _, version in SOURCES.values()),
        *dict.fromkeys(FILES.values()),
        *dict.fromkeys(task.step for task in staged_tasks()),
    ]


def dvc_text() -> str:
    """The text of the file."""
    paths: dict[str, str] = {}
    stages = []
    for task in staged_tasks():
        stages.append(_stage(task, paths))
    outs = "".join(f"      - build/versions/{name}: {{cache: false}}\n" for name in version_files())
    return HEAD + outs + "".join(stages)


def _stage(task: Task, paths: dict[str, str]) -> str:
    """A task's stage; adds the paths of its artifacts to `paths`."""
    folder = f"build/{task.title}"
    known = arguments_of(task.step)
    inputs = {own: paths[name] for own, name in task.inputs().items() if name in paths and own in known}
    made = {own: f"{folder}/{own}{ENDINGS.get(own, '')}" for own in task.outputs() if own in known}
    paths |= {task.outputs()[own]: path for own, path in made.items()}
    source, version = SOURCES.get(task.title, ("", ""))
    options = {**({"data": source} if source else {}), **inputs, **made, "metrics": f"{folder}/metrics.json"}
    words = [f"--task {task.title}"] * (task.title != task.step) + [f"--{name.replace('_', '-')} {path}" for name, path in options.items()]
    judged = "verdicts" if "verdicts" in task.inputs() else ""
    versions = [name for name in (version, judged, FILES.get(task.step, ""), task.step) if name]
    deps = [*(f"build/versions/{name}" for name in versions), *inputs.values()]
    params = list(STEPS) if "params" in known else [task.step, *SETTINGS.get(task.title, [])]
    outs = [f"{path}: {{cache: false}}" for own, path in made.items() if own not in PLOTS]
    plots = [f"{path}: {{cache: false{PLOTS[own]}}}" for own, path in made.items() if own in PLOTS]
    command = "\n      ".join([f"${{python}} -m components {task.step}", *words])
    return (
        f"\n  {task.title}:\n    cmd: >-\n      {command}\n    deps:\n{_list(deps)}    params: [{', '.join(params)}]\n"
        + (f"    outs:\n{_list(outs)}" if outs else "")
        + (f"    plots:\n{_list(plots)}" if plots else "")
        + f"    metrics:\n{_list([f'{folder}/metrics.json: {{cache: false}}'])}"
    )


def _list(entries: list[str]) -> str:
    return "".join(f"      - {entry}\n" for entry in entries)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m pipelines.version.dvc_file", description=__doc__)
    parser.add_argument("path", type=Path, help="the file to write")
    with whole(parser.parse_args().path) as draft:
        draft.write_text(dvc_text(), encoding="utf-8")
