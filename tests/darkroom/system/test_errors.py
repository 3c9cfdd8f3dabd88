import pickle

import pytest

from darkroom.system.errors import AccessError, InputError, RunError, kind_of


def test_a_remedy_is_told_with_the_problem_and_apart_from_it() -> None:
    error = pickle.loads(pickle.dumps(AccessError("the server refuses anna", "correct the password")))
    assert (type(error), str(error)) == (AccessError, "the server refuses anna: correct the password")
    assert (error.problem, error.remedy) == ("the server refuses anna", "correct the password")
    assert (str(InputError("no such file")), InputError("no such file").remedy) == ("no such file", "")


@pytest.mark.parametrize(
    ("error", "kind"),
    [(InputError("x"), "input"), (AccessError("x"), "input"), (RunError("x"), "internal"), (KeyboardInterrupt(), "internal")],
)
def test_the_kind_says_whose_error_it_is(error: BaseException, kind: str) -> None:
    assert kind_of(error) == kind
