"""The policy's file and its limits."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from darkroom.augmentation import policy
from darkroom.augmentation.policy import Operation, Policy


def test_policy_comes_back_as_it_was_written(tmp_path: Path) -> None:
    written = Policy(
        operations=(Operation(name="rotation", probability=0.5, low=-10, high=10), Operation(name="horizontal_flip", probability=0.5))
    )
    written.write(tmp_path / "policy.json")
    assert policy.read(tmp_path / "policy.json") == written


def test_equal_policies_make_equal_bytes(tmp_path: Path) -> None:
    for name in ("a.json", "b.json"):
        Policy(operations=(Operation(name="scale", probability=1, low=0.8, high=1.25),)).write(tmp_path / name)
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        pytest.param({"name": "twirl", "probability": 1}, "'twirl' is no operation", id="unknown"),
        pytest.param({"name": "scale", "probability": 1, "low": 2, "high": 1}, "low 2.0 is above high 1.0", id="upside-down"),
        pytest.param({"name": "scale", "probability": 1.5}, "less than or equal to 1", id="probability"),
    ],
)
def test_operation_refuses_what_makes_no_sense(values: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Operation.model_validate(values)


def test_policy_refuses_an_operation_listed_twice() -> None:
    with pytest.raises(ValidationError, match="listed twice: noise"):
        Policy(operations=(Operation(name="noise", probability=1), Operation(name="noise", probability=0.5)))


def test_choices_come_back_as_they_were_written(tmp_path: Path) -> None:
    choices = (Operation(name="blur", probability=0.5, low=0.01, high=0.02, only_ends=True), Operation(name="grey", probability=0.25))
    written = Policy(operations=choices[:1], num_choices=2, choices=choices)
    written.write(tmp_path / "policy.json")
    assert policy.read(tmp_path / "policy.json") == written
    assert written.all_operations == (choices[0], *choices)
    assert Policy(choices=choices).all_operations == ()  # none is drawn


def test_policy_of_before_the_choices_is_read(tmp_path: Path) -> None:
    (tmp_path / "policy.json").write_text('{"operations": [{"name": "scale", "probability": 0.5, "low": 0.8, "high": 1.25}]}')
    read = policy.read(tmp_path / "policy.json")
    assert read == Policy(operations=(Operation(name="scale", probability=0.5, low=0.8, high=1.25),))
    assert (read.num_choices, read.choices, read.operations[0].only_ends) == (0, (), False)


def test_policy_refuses_choices_that_add_up_to_more_than_one() -> None:
    with pytest.raises(ValidationError, match=r"choices add up to 1.2: they may not exceed 1"):
        Policy(num_choices=1, choices=tuple(Operation(name=name, probability=0.6) for name in ("grey", "noise")))


def test_operation_that_never_happens_is_not_found() -> None:
    listed = Policy(operations=(Operation(name="noise", probability=0), Operation(name="scale", probability=0.1, low=1, high=1)))
    assert listed.get("noise") is None
    assert listed.get("rotation") is None
    assert listed.get("scale") == listed.operations[1]
