import pytest

from pipelines.terminal import visible


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("cat/\x1b[2J\x1b]0;owned\x07.png", "cat/\\x1b[2J\\x1b]0;owned\\x07.png"),
        ("\x9b31m and \x7f", "\\x9b31m and \\x7f"),
        ("photo\u202egnp.exe", "photo\\u202egnp.exe"),
        ("over\rwritten", "over\\rwritten"),
        ("not utf-8: \udcff", "not utf-8: \\udcff"),
        ("naïve 写真 🦊\ta\nb", "naïve 写真 🦊\ta\nb"),
    ],
)
def test_what_commands_a_terminal_is_spelled_out_and_the_rest_stays(text: str, shown: str) -> None:
    assert visible(text) == shown
