"""The task: what is to be learnt of an image."""

from typing import Literal, get_args

Task = Literal["binary", "multiclass", "multilabel"]
TASKS: tuple[Task, ...] = get_args(Task)
