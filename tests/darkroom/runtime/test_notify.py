"""The webhook against a real server on this machine: one that answers, fails, hangs, moves, or is not there."""

import socket
import time

import pytest

from darkroom.runtime.notify import Message, notify
from darkroom.tracking.tags import WEBHOOK_URL
from tests.webhook import SECRET, webhook

MESSAGE = Message("promotion", "shapes version 2 is the champion", "it is better", {"run": "http://127.0.0.1/run"}, {"version": 2})


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("darkroom.runtime.notify.BACKOFF_S", 0.05)


def test_the_body_says_what_why_and_where_with_a_text_that_slack_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    with webhook(monkeypatch, 200) as hook:
        assert notify(MESSAGE) == ""
    (body,) = hook.bodies
    assert hook.kinds == ["application/json"]
    assert body["text"] == "*shapes version 2 is the champion*\nit is better\nrun: http://127.0.0.1/run"
    assert (body["event"], body["why"], body["links"], body["version"]) == ("promotion", "it is better", MESSAGE.links, 2)


@pytest.mark.parametrize(
    ("answers", "num_tries", "problem"),
    [
        ((500, 200), 2, ""),
        ((429, 503, 204), 3, ""),
        ((500,), 3, "the webhook did not take the message: HTTP 500"),
        ((404,), 1, "the webhook did not take the message: HTTP 404"),
        ((302,), 1, "the webhook did not take the message: HTTP 302"),
    ],
)
def test_what_may_pass_is_tried_again_and_what_won_t_is_not(
    monkeypatch: pytest.MonkeyPatch, answers: tuple[int, ...], num_tries: int, problem: str
) -> None:
    with webhook(monkeypatch, *answers) as hook:
        assert notify(MESSAGE) == problem
    assert len(hook.bodies) == num_tries


def test_a_webhook_that_hangs_costs_seconds_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("darkroom.runtime.notify.TIMEOUT_S", 0.3)
    with webhook(monkeypatch, 0) as hook:
        start = time.monotonic()
        assert notify(MESSAGE) == "the webhook did not take the message: no answer within 0.3 s"
        assert time.monotonic() - start < 20
        monkeypatch.setattr("darkroom.runtime.notify.TIMEOUT_S", 60.0)
        monkeypatch.setattr("darkroom.runtime.notify.PATIENCE_S", 1.0)
        assert notify(MESSAGE) == "the webhook did not answer within 1 s"
        assert len(hook.bodies) == 4


def test_nobody_there_and_no_address_are_told_without_the_address(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    problems = []
    for address in (
        f"http://127.0.0.1:{port}/{SECRET}",
        f"ftp://{SECRET}/x",
        f"http://[{SECRET}",
        f"http://127.0.0.1:{SECRET}/",
        f"http://a b/{SECRET}\n",
    ):
        monkeypatch.setenv(WEBHOOK_URL, address)
        problems.append(notify(MESSAGE))
    assert problems[0] == "the webhook did not take the message: the connection is refused"
    assert all(problems)
    assert SECRET not in "".join((*problems, *capfd.readouterr(), caplog.text))


def test_without_a_webhook_nothing_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(WEBHOOK_URL, raising=False)
    assert notify(MESSAGE) == ""


def test_a_name_in_a_message_calls_nobody_and_hides_no_address() -> None:
    text = Message("refusal", "<!channel> & co", "class <https://evil.example.org|click> fell").body()["text"]
    assert text == "*&lt;!channel&gt; &amp; co*\nclass &lt;https://evil.example.org|click&gt; fell"
