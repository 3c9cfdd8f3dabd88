"""The errors that a person reads as one sentence, without a traceback.

Exception
├── InputError            a mistake that the user can correct: exit status 2
│   ├── AccessError       a server answers, but does not let this user in
│   ├── NoRoomError       neither disk nor memory has room for an array (`darkroom.system.scratch`)
│   ├── NotYamlError      a file is no YAML (`darkroom.system.yaml_file`)
│   └── StepInputError    a step found the mistake (`pipelines.run.failures`)
└── RunError              a run failed for another reason: exit status 1
    ├── StepFailedError   a step failed (`pipelines.run.failures`)
    └── AwayError         MLflow stopped answering (`darkroom.tracking.outbox`)
"""

from typing import Literal

Kind = Literal["input", "internal"]


class InputError(Exception):
    """A user's mistake, in one sentence: what was wrong, the value that came, what to do.

    Args:
        problem: What was wrong, with the value that came; or the whole sentence.
        remedy: What to do, where it is also shown apart from the problem (`darkroom doctor`).
    """

    def __init__(self, problem: str, remedy: str = "") -> None:
        super().__init__(f"{problem}: {remedy}" if remedy else problem)
        self.problem, self.remedy = problem, remedy


class AccessError(InputError):
    """A server refuses the user's credentials, or does not allow what was asked."""


class RunError(Exception):
    """A run failed for a reason that is not the user's mistake, which its message explains in full."""


def kind_of(error: BaseException) -> Kind:
    """Whose error it is, as processes report it to each other: the user's (`input`) or ours (`internal`)."""
    return "input" if isinstance(error, InputError) else "internal"
