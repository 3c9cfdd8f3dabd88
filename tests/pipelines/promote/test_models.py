"""The registry on the command line: versions of a real store, and the alias moved by hand."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from darkroom.registry.champion import move, moves
from darkroom.registry.registry import aliases, get_version, set_alias, set_tags, versions
from darkroom.system.errors import InputError
from darkroom.tracking.client import client
from darkroom.tracking.tags import BY_HAND
from pipelines.cli import app
from pipelines.promote.models import overview, promote, rollback
from tests.stores import use_copy
from tests.webhook import webhook

TAGS = {
    "darkroom.data_version": "0123456789abcdef.dir",
    "variant": "pruned",
    "accuracy": "0.9500",
    "accuracy_interval": '{"low": 0.9, "high": 0.98}',
    "f1_macro": "0.9400",
    "darkroom.decision": "champion",
    "darkroom.reason": "it is better",
}


@pytest.fixture(scope="module")
def registered(migrated_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with three versions of `toys`: the first and the second were champion by the gate, the second is."""
    with pytest.MonkeyPatch.context() as patch:
        database = use_copy(migrated_store, tmp_path_factory.mktemp("registered"), patch)
        client().create_registered_model("toys")
        client().create_registered_model("empty")
        for _ in range(3):
            client().create_model_version("toys", str(database.parent / "model"))
        first, second, third = (get_version("toys", number) for number in (1, 2, 3))
        move(first, "gate", "first")
        move(second, "gate", "better")
        set_alias(third, "challenger")
        set_tags(second, TAGS)
    return database


@pytest.fixture
def three(registered: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a store with these three versions."""
    return use_copy(registered, tmp_path / "mlflow-store", monkeypatch).parent


def say(*words: str) -> str:
    done = CliRunner().invoke(app, words, env={"COLUMNS": "80"}, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def test_models_are_shown_with_all_that_tells_their_versions_apart(three: Path) -> None:
    toys = overview("toys")[0]
    assert (toys["name"], toys["champion"], [version["version"] for version in toys["versions"]]) == ("toys", 2, [3, 2, 1])
    second = toys["versions"][1]
    assert second["metrics"] == {"accuracy": {"value": 0.95, "low": 0.9, "high": 0.98}, "f1_macro": {"value": 0.94}}
    assert (second["aliases"], second["data_version"], second["variant"]) == (["champion"], "0123456789abcdef.dir", "pruned")
    assert (second["decision"], second["reason"]) == ("champion", "it is better")
    assert [one["version"] for one in toys["moves"]] == [1, 2]
    assert [model["name"] for model in overview()] == ["empty", "toys"]


def test_the_table_names_versions_measures_and_reasons(three: Path) -> None:
    shown = say("models", "toys", "--json")
    rows = [" ".join(line.split()) for line in shown.split("\n")]
    assert "2 champion 0.940 0.950 [0.900, 0.980] pruned 01234567 champion it is better" in rows
    assert "3 challenger none the run that made it was stopped before it decided" in rows
    assert json.loads(rows[-2] if not rows[-1] else rows[-1])["models"][0]["name"] == "toys"


def test_at_80_columns_nothing_is_cut(three: Path) -> None:
    terminal = {"COLUMNS": "80", "TTY_COMPATIBLE": "1", "NO_COLOR": "1", "TERM": "dumb"}
    shown = CliRunner().invoke(app, ["models", "toys"], env=terminal, catch_exceptions=False).stdout
    lines = [line.rstrip() for line in shown.split("\n")]
    assert max(map(len, lines)) <= 80
    assert "      2  champion       0.940  0.950 [0.900, 0.980]  pruned   01234567  champion" in lines
    assert "  reason: it is better" in lines
    assert "  reason: the run that made it was stopped before it decided" in lines
    assert "…" not in shown


def test_a_promotion_by_hand_is_kept_with_its_reason(three: Path) -> None:
    assert say("promote", "toys/3", "--reason", "I looked at it") == "champion of toys is version 3, version 2 before\n"
    assert aliases("toys") == {"champion": 3}
    last = moves("toys")[-1]
    assert (last.version, last.previous, last.how, last.why) == (3, 2, "promote", "I looked at it")
    assert f"promoted by {last.who} at {last.when}: I looked at it" == get_version("toys", 3).tags[BY_HAND]
    assert "I looked at it" in say("models", "toys")


def test_the_webhook_is_told_of_what_was_done_by_hand(three: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with webhook(monkeypatch, 200) as hook:
        say("promote", "toys/3", "--reason", "I looked at it")
        say("promote", "toys/3", "--reason", "it is the champion already")
        say("rollback", "toys", "--reason", "it was slow, and password=opensesame")
    assert [(body["event"], body["what"], body["model"]["version"]) for body in hook.bodies] == [
        ("promotion", "toys version 3 is the new champion", 3),
        ("promotion", "toys version 2 is the new champion", 2),
    ]
    assert hook.bodies[0]["why"] == get_version("toys", 3).tags[BY_HAND]
    assert hook.bodies[1]["why"].endswith(": it was slow, and password=***")
    assert hook.bodies[1]["links"] == {"model": "darkroom models toys"}  # the store is no server


def test_promoting_the_champion_changes_nothing(three: Path) -> None:
    before = (moves("toys"), versions("toys"))
    assert promote("models:/toys/2", "again") == {"name": "toys", "version": 2, "previous": 2, "moved": False, "why": ""}
    assert "as it was already" in say("promote", "toys/2", "--reason", "again")
    assert (moves("toys"), versions("toys")) == before


def test_rolling_back_twice_goes_two_steps_and_then_says_there_is_none(three: Path) -> None:
    promote("toys/3", "try it")
    assert say("rollback", "toys", "--reason", "it was slow") == "champion of toys is version 2, version 3 before\n"
    assert rollback("toys")["version"] == 1
    with pytest.raises(InputError, match="there is no champion of toys before version 1: choose one with `darkroom promote toys/VERSION`"):
        rollback("toys")
    assert aliases("toys") == {"champion": 1}
    assert [(one.version, one.how, one.why) for one in moves("toys")][-2:] == [
        (2, "rollback", "it was slow"),
        (1, "rollback", "no reason was given"),
    ]
    assert "rolled back to, from version 3, by " in get_version("toys", 2).tags[BY_HAND]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: promote("toys/9", "x"), r"toys has no version 9: it has 1, 2, 3"),
        (lambda: promote("toys", "x"), r"'toys' names no version: give it as name/number"),
        (lambda: promote("toys/x", "x"), r"'toys/x' names no version"),
        (lambda: promote("cats/1", "x"), r"there is no model 'cats': the registry has empty, toys"),
        (lambda: promote("toys/1", " "), r"--reason is empty"),
        (lambda: rollback("cats"), r"there is no model 'cats'"),
        (lambda: rollback("empty"), r"empty has no champion, so nothing can be rolled back"),
        (lambda: overview("cats"), r"there is no model 'cats'"),
        (lambda: promote("it's/1", "x"), r"there is no model \"it's\""),
    ],
)
def test_a_mistake_is_one_sentence_and_moves_nothing(three: Path, call: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        call()
    assert aliases("toys") == {"champion": 2, "challenger": 3}


def test_an_empty_registry_says_so(mlflow_store: Path) -> None:
    done = CliRunner().invoke(app, ["models", "--json"])
    assert "the registry has no model yet" in done.stderr
    assert json.loads(done.stdout.strip()) == {"models": []}
