import io

from rich.console import Console

from pipelines.check.command import _print_finding
from pipelines.check.doctor import Finding

LATE = Finding("failed", "no answer within 20 s", "see whether a firewall is in the way; --timeout waits longer")


def test_on_a_terminal_a_finding_wraps_beside_the_check_s_name() -> None:
    page = io.StringIO()
    _print_finding("tracking", LATE, Console(file=page, width=80, force_terminal=True, color_system=None))
    first, second = page.getvalue().rstrip("\n").split("\n")
    assert first.startswith("failed      tracking       no answer within 20 s; see whether")
    assert max(map(len, (first, second))) <= 80 and second.startswith(" " * 27) and second.endswith("--timeout waits longer")


def test_in_a_pipe_a_finding_is_one_line() -> None:
    page = io.StringIO()
    _print_finding("tracking", LATE, Console(file=page, width=80))
    assert page.getvalue().count("\n") == 1 and page.getvalue().endswith(f"{LATE.found}; {LATE.remedy}\n")
