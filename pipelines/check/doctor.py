"""Runs the checks of `darkroom doctor`, each with a time limit: what was found, and the remedy."""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from darkroom.system.secrets import redact

State = Literal["ok", "warning", "failed", "not set up"]


@dataclass(frozen=True)
class Finding:
    """What a check found.

    Attributes:
        state: How it is. Only `failed` is in the way of a run; what is `not set up` was not asked for.
        found: What there is, or what is wrong.
        remedy: What to do; empty where there is nothing to do.
    """

    state: State
    found: str
    remedy: str = ""


Check = Callable[[], Finding]


def run_checks(checks: Mapping[str, Check], timeout_s: float) -> dict[str, Finding]:
    """Does all checks at the same time.

    Args:
        checks: By name.
        timeout_s: A check that has not ended by then has failed.

    Returns:
        The findings, in the order of the checks.
    """
    findings: dict[str, Finding] = {}
    threads = [threading.Thread(target=_run_check, args=(name, check, findings), daemon=True) for name, check in checks.items()]
    for thread in threads:
        thread.start()
    give_up = threading.Event()
    timer = threading.Timer(timeout_s, give_up.set)
    timer.start()
    while any(thread.is_alive() for thread in threads) and not give_up.wait(0.02):
        pass
    timer.cancel()
    late = Finding("failed", f"no answer within {timeout_s:g} s", "see whether a firewall is in the way; --timeout waits longer")
    return {name: findings.get(name, late) for name in checks}


def none_failed(findings: Sequence[Finding]) -> bool:
    """Whether nothing that is needed is broken."""
    return all(finding.state != "failed" for finding in findings)


def _run_check(name: str, check: Check, findings: dict[str, Finding]) -> None:
    try:
        findings[name] = check()
    except Exception as error:  # what a check did not foresee is a finding too
        reason = " ".join(redact(str(error)).split())[:300]
        findings[name] = Finding("failed", f"{type(error).__name__}: {reason}", "correct what the message names")
