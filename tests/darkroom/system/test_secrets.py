import ast
import json
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest

from darkroom.system.secrets import redact
from darkroom.versions.code import ROOT


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("at postgresql://me:hunter2@db:5432/x", "at postgresql://***@db:5432/x"),
        ("password=hunter22 and more", "password=*** and more"),
        ('{"api_key": "hunter22"}', '{"api_key": "***"}'),
        ("Authorization: Bearer abcdef.ghijkl", "Authorization: Bearer ***"),
        (
            "403, url='https://b.example.org/x?X-Amz-Credential=AKIA/1/s3&X-Amz-Date=2026&X-Amz-Signature=0a1b2c'",
            "403, url='https://b.example.org/x?X-Amz-Credential=***&X-Amz-Date=2026&X-Amz-Signature=***'",
        ),
        ("https://a.example.org/c/x?sv=2022&sig=a%2Fb%3D&se=1", "https://a.example.org/c/x?sv=2022&sig=***&se=1"),
        ("epoch 1/1  loss 0.5  https://example.org/a@2x.png", "epoch 1/1  loss 0.5  https://example.org/a@2x.png"),
        ("the token of class cat", "the token of class cat"),
    ],
)
def test_what_looks_like_a_secret_is_taken_out_and_the_rest_stays(text: str, left: str) -> None:
    assert redact(text) == left


def sentences(path: Path) -> list[str]:
    """The texts in a module's code, each on a line of its own, with a stroke for what is filled in."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.JoinedStr):
            found.append("".join(str(part.value) if isinstance(part, ast.Constant) else "|" for part in node.values))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.append(node.value)
    return found


@pytest.mark.parametrize("package", ["pipelines", "components", "darkroom"])
def test_no_sentence_of_ours_is_taken_for_a_secret(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.environ", {})
    known = [text for path in (ROOT / package).rglob("*.py") for text in sentences(path)]
    assert len(known) > 200
    assert [text for text in known if "\n" not in text and redact(text) != text] == []


def test_values_of_variables_named_like_secrets_are_taken_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "planted-value-1")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://me:planted-value-2@example.org")
    monkeypatch.setenv("HARMLESS", "ordinary words")
    assert redact("planted-value-1, planted-value-2, ordinary words") == "***, ***, ordinary words"


@pytest.mark.parametrize("way", [json.dumps, repr, quote_plus, lambda text: quote(text, safe=""), lambda text: f"({text})"])
def test_a_secret_is_found_in_whatever_way_it_is_written(way: Callable[[str], str], monkeypatch: pytest.MonkeyPatch) -> None:
    secret = 'a "b"\\ c/d@ü\'e'
    monkeypatch.setenv("GIT_PASSWORD", secret)
    written = redact(f"before {way(secret)} after")
    assert written.strip("'") in ("before *** after", 'before "***" after', "before '***' after", "before (***) after")


def test_an_author_is_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_AUTHOR_NAME", "Anna Example")
    assert redact("by Anna Example") == "by Anna Example"
