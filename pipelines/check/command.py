"""The command that looks at what a run needs."""

import json
import os
from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from pipelines.options import DEFAULT_PARAMS, Json, Params

_COLOURS = {"ok": "green", "warning": "yellow", "failed": "red", "not set up": "dim"}


def doctor(
    as_json: Json = False,
    timeout: Annotated[float, typer.Option(help="Seconds that a check may take.", min=1, max=600)] = 20.0,
    params: Params = DEFAULT_PARAMS,
) -> None:
    """Checks what a run needs: MLflow, the data's remote, Docker, GPU, room and Kubeflow; exit status 1 if something is broken.

    Example: `darkroom doctor`
    """
    from darkroom.system.config import read_params
    from darkroom.tracking.client import client, tracking_uri
    from pipelines.check.checks import all_checks
    from pipelines.check.doctor import examine, is_well
    from pipelines.platform import SECTION, read_platform

    if tracking_uri().startswith(("http://", "https://")):
        client()  # MLflow takes seconds to import, which is no check's fault
    platform = read_platform(read_params(params).get(SECTION, {}) if params.exists() else {})
    endpoint = platform.endpoint or os.environ.get("KF_PIPELINES_ENDPOINT", "")
    findings = examine(all_checks(timeout, endpoint, platform.ca_file), timeout)
    console = Console(highlight=False, soft_wrap=True)
    for name, finding in findings.items():
        remedy = f"; {finding.remedy}" if finding.remedy else ""
        console.print(f"[{_COLOURS[finding.state]}]{finding.state:<10}[/]  {name:<13}  {escape(finding.found + remedy)}")
    well = is_well(list(findings.values()))
    if as_json:
        print(json.dumps({"well": well, "checks": {name: asdict(finding) for name, finding in findings.items()}}, ensure_ascii=False))
    raise typer.Exit(0 if well else 1)
