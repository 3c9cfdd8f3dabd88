import io

import pytest
from rich.console import Console

from pipelines.table import print_table, table_lines, wrapped

HEADINGS = ("run", "f1_macro", "decision", "reason")
ROWS = [
    ["3f2a", "0.9926", "champion", "better on 300 test images"],
    ["ab", "0.5", "", ""],
]


def test_what_fits_stands_side_by_side_and_numbers_are_aligned_on_the_right() -> None:
    assert table_lines(HEADINGS, ROWS, 80) == [
        "run   f1_macro  decision  reason",
        "3f2a    0.9926  champion  better on 300 test images",
        "ab         0.5",
    ]


def test_what_does_not_fit_stands_below_its_row_and_nothing_is_cut() -> None:
    assert table_lines(HEADINGS, ROWS, 30) == [
        "run   f1_macro  decision",
        "3f2a    0.9926  champion",
        "  reason: better on 300 test",
        "  images",
        "ab         0.5",
    ]
    assert table_lines(HEADINGS, ROWS[:1], 15)[:4] == ["run   f1_macro", "3f2a    0.9926", "  decision: champion;", "  reason: better on"]


@pytest.mark.parametrize("width", [20, 40, 80, 200])
def test_no_line_is_longer_than_the_terminal_and_no_word_is_lost(width: int) -> None:
    rows = [["写真", "0.1", "kept", "because of " + "many words " * 30], ["b", "0.25", "", "short"]]
    lines = table_lines(HEADINGS, rows, width)
    assert max(map(len, lines)) <= max(width, 22)
    assert " ".join(lines).count("many words") + " ".join(lines).count("many   words") == 30


def test_without_a_terminal_a_row_is_one_line_whatever_its_length() -> None:
    page = io.StringIO()
    print_table(HEADINGS, [["a", "0.5", "x", "y" * 500], ["b\x1b[2J", "1", "two\nlines", ""]], Console(file=page, width=80))
    lines = page.getvalue().split("\n")
    assert lines[1].endswith("y" * 500)
    assert lines[2].split() == ["b\\x1b[2J", "1", "two", "lines"]
    assert lines[3:] == [""]


@pytest.mark.parametrize(
    ("reason", "shown"),
    [
        ("better by hand", "better by hand"),
        ("there was no champion yet; on 300 test images its f1_macro of 0.9926 is better", "there was no champion yet ..."),
        ("on 90 images its f1_macro of 0.9 is better (+0.0, p 0.3), but not by much", "on 90 images its f1_macro of 0.9 is better ..."),
        ("one two " * 20, "one two one two one two one two one two one two one two ..."),
    ],
)
def test_without_a_terminal_the_first_clause_stands_for_a_sentence(reason: str, shown: str) -> None:
    rows = [["ab", "0.5", "champion", reason]]
    assert table_lines(HEADINGS, rows, None, ("reason",))[1] == f"ab        0.5  champion  {shown}"
    assert " ".join(" ".join(table_lines(HEADINGS, rows, 80, ("reason",))).split()).endswith(reason.strip()[-20:])


def test_without_a_terminal_a_path_is_whole_also_where_sentences_are_not() -> None:
    assert table_lines(HEADINGS, [["ab", "0.5", "", "/data/" * 90]], None, ("reason",))[1].endswith("/data/" * 90)


def test_on_a_terminal_the_console_s_width_counts() -> None:
    page = io.StringIO()
    print_table(HEADINGS, ROWS[:1], Console(file=page, width=30, force_terminal=True, color_system=None))
    assert page.getvalue().split("\n")[0] == "run   f1_macro  decision"


def test_a_wrapped_text_is_indented_below_its_label() -> None:
    assert wrapped("no answer within 20 s; see the firewall", 37, "failed  tracking  ") == [
        "failed  tracking  no answer within 20",
        "                  s; see the firewall",
    ]
