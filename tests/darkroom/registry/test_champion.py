"""The moves of the alias `champion` in a real registry, and the way back."""

from pathlib import Path
from typing import Any

import pytest

from darkroom.registry import champion
from darkroom.registry.champion import move, moves, previous_champion
from darkroom.registry.registry import Version, aliases, get_version, set_alias
from darkroom.tracking.client import client
from tests.stores import use_copy


@pytest.fixture(scope="module")
def registered(migrated_store: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Version]]:
    """A store with four versions of `toys`, none of them champion."""
    with pytest.MonkeyPatch.context() as patch:
        database = use_copy(migrated_store, tmp_path_factory.mktemp("registered"), patch)
        client().create_registered_model("toys")
        for _ in range(4):
            client().create_model_version("toys", str(database.parent / "model"))
        return database, [get_version("toys", number) for number in (1, 2, 3, 4)]


@pytest.fixture
def four(registered: tuple[Path, list[Version]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Version]:
    """These four versions, in a store of this test's own."""
    use_copy(registered[0], tmp_path / "mlflow-store", monkeypatch)
    return list(registered[1])


def now() -> int:
    return aliases("toys").get("champion", 0)


def back() -> int:
    """Goes back to the previous champion; 0 where there is none."""
    version = previous_champion("toys")
    if version is not None:
        move(version, "rollback", "it was better")
    return version.number if version else 0


def test_a_move_is_kept_with_who_when_and_why(four: list[Version], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(champion, "user", lambda: "ana")
    move(four[0], "gate", "better than a constant")
    move(four[2], "promote", "I like it")
    assert now() == 3
    first, second = moves("toys")
    assert (first.version, first.previous, first.how, first.who, first.why) == (1, 0, "gate", "ana", "better than a constant")
    assert (second.version, second.previous, second.how, second.why) == (3, 1, "promote", "I like it")
    assert first.when <= second.when
    assert first.when.endswith("+00:00")


def test_going_back_twice_goes_two_steps_and_then_there_is_none(four: list[Version]) -> None:
    for version in four[:3]:
        move(version, "gate", "better")
    assert [back(), back(), back()] == [2, 1, 0]
    assert now() == 1
    assert [one.how for one in moves("toys")] == ["gate", "gate", "gate", "rollback", "rollback"]


def test_after_going_back_a_new_champion_is_one_step_away_from_the_one_it_replaced(four: list[Version]) -> None:
    for version in four[:3]:
        move(version, "gate", "better")
    back()
    move(four[3], "gate", "better")
    assert [back(), back(), back()] == [2, 1, 0]


def test_a_version_that_was_champion_twice_is_gone_back_to_twice(four: list[Version]) -> None:
    for version in (four[0], four[1], four[0], four[2]):
        move(version, "promote", "let us see")
    assert [back(), back(), back(), back()] == [1, 2, 1, 0]


def test_a_deleted_version_is_passed_over(four: list[Version]) -> None:
    for version in four[:3]:
        move(version, "gate", "better")
    client().delete_model_version("toys", "2")
    assert back() == 1


def test_a_move_that_a_crash_kept_from_happening_is_none(four: list[Version], monkeypatch: pytest.MonkeyPatch) -> None:
    move(four[0], "gate", "better")

    def crash(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as broken, pytest.raises(KeyboardInterrupt):
        broken.setattr(champion, "set_alias", crash)
        move(four[1], "gate", "better")
    assert (now(), [one.version for one in moves("toys")]) == (1, [1])
    move(four[2], "gate", "better")
    assert [(one.version, one.previous) for one in moves("toys")] == [(1, 0), (3, 1)]


def test_a_champion_that_was_made_elsewhere_is_known_from_then_on(four: list[Version]) -> None:
    set_alias(four[0], "champion")
    assert (moves("toys"), previous_champion("toys")) == ([], None)
    move(four[1], "gate", "better")
    set_alias(four[3], "champion")
    assert back() == 2
    assert [(one.version, one.how) for one in moves("toys")] == [(1, "outside"), (2, "gate"), (4, "outside"), (2, "rollback")]
    assert [back(), back()] == [1, 0]


def test_a_champion_that_was_taken_away_is_no_obstacle(four: list[Version]) -> None:
    move(four[0], "gate", "better")
    client().delete_registered_model_alias("toys", "champion")
    move(four[1], "gate", "better")
    assert now() == 2
    assert back() == 1


def test_a_move_whose_seal_a_crash_prevented_has_happened(four: list[Version], monkeypatch: pytest.MonkeyPatch) -> None:
    move(four[0], "gate", "better")

    def move_and_crash(version: Version, alias: str) -> None:
        set_alias(version, alias)
        raise KeyboardInterrupt

    with monkeypatch.context() as broken, pytest.raises(KeyboardInterrupt):
        broken.setattr(champion, "set_alias", move_and_crash)
        move(four[1], "gate", "better")
    assert (now(), [one.version for one in moves("toys")]) == (2, [1, 2])
    assert back() == 1
