"""The command that looks at what a run needs."""

import json
import os
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.text import Text

from pipelines.options import DEFAULT_PARAMS, Json, Params
from pipelines.table import wrapped
from pipelines.terminal import visible

if TYPE_CHECKING:
    from pipelines.check.doctor import Finding

_COLOURS = {"ok": "green", "warning": "yellow", "failed": "red", "not set up": "dim"}


def doctor(
    as_json: Json = False,
    timeout: Annotated[float, typer.Option(help="Seconds that a check may take.", min=1, max=600)] = 20.0,
    params: Params = DEFAULT_PARAMS,
) -> None:
    """Checks what a run needs: MLflow, the data's remote, Docker, GPU, disk space and Kubeflow; exit status 1 if something is broken.

    Example: `darkroom doctor`
    """
    from darkroom.system.config import read_params
    from pipelines.check.checks import all_checks, import_libraries
    from pipelines.check.doctor import none_failed, run_checks
    from pipelines.platform import SECTION, read_platform

    import_libraries()
    platform = read_platform(read_params(params).get(SECTION, {}) if params.exists() else {})
    endpoint = platform.endpoint or os.environ.get("KF_PIPELINES_ENDPOINT", "")
    findings = run_checks(all_checks(timeout, endpoint, platform.ca_file), timeout)
    console = Console(highlight=False)
    for name, finding in findings.items():
        _print_finding(name, finding, console)
    well = none_failed(list(findings.values()))
    if as_json:
        print(json.dumps({"well": well, "checks": {name: asdict(finding) for name, finding in findings.items()}}, ensure_ascii=False))
    raise typer.Exit(0 if well else 1)


def _print_finding(name: str, finding: "Finding", console: Console) -> None:
    """Prints a line a check, which on a terminal wraps beside the check's name."""
    label = f"{finding.state:<10}  {name:<13}  "
    text = visible("; ".join(filter(None, (finding.found, finding.remedy))))
    for line in wrapped(text, console.width, label) if console.is_terminal else [label + text]:
        shown = Text(line)
        if line.startswith(label):
            shown.stylize(_COLOURS[finding.state], 0, len(finding.state))
        console.print(shown, soft_wrap=True)
