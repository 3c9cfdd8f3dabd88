"""The command that opens the page on which a person judges findings."""

import os
import signal
import sys
import tempfile
import webbrowser
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.terminal import print_note

if TYPE_CHECKING:
    from pipelines.review.findings import Findings
    from pipelines.review.review_server import ReviewServer
    from pipelines.review.reviewed_run import ReviewedRun


def review(
    run: Annotated[str, typer.Argument(metavar="[RUN]", help="A run's id, its beginning, `last`, or NAME@champion.")] = "last",
    suggest: Annotated[
        int, typer.Option(metavar="N", min=0, help="Show the N images whose labels would teach most, instead of findings.")
    ] = 0,
    port: Annotated[int, typer.Option(help="Port on this machine; 0 for one that is free.", min=0, max=65535)] = 0,
    browser: Annotated[bool, typer.Option(help="Open the page in the browser, where there is one.")] = True,
) -> None:
    """Opens a page with a run's findings, worst first, on which a person keeps, drops or relabels images by keyboard.

    Each verdict is written at once into `verdicts.csv` beside the data (or at `clean.verdicts`); the next run respects it.

    Example: `darkroom review last`, or `darkroom review --suggest 50`
    """
    from pipelines.params import read_settings
    from pipelines.recover.recover import open_store
    from pipelines.review.review_server import ReviewServer
    from pipelines.review.reviewed_run import read_run, verdicts_file

    settings = read_settings([])[0]
    open_store(print_note)
    reviewed = read_run(run)
    file = verdicts_file(reviewed, settings["clean"])
    with tempfile.TemporaryDirectory(prefix="darkroom-") as folder:
        findings = _findings(reviewed, file, suggest, Path(folder) / "unlabelled")
        before = len(findings.decided())  # a file that can't be read is told before the page is opened
        with ReviewServer(findings, port) as server:
            _serve(server, browser)
    named = settings["clean"]["verdicts"]
    _say_what_was_written(findings, before, "" if named or not reviewed.verdicts else f" with `--set clean.verdicts={reviewed.verdicts}`")


def _findings(run: "ReviewedRun", file: Path, number: int, folder: Path) -> "Findings":
    """The run's findings, or so many suggestions."""
    from darkroom.system.processes import user
    from pipelines.review.findings import Findings

    findings = Findings(run, file, user(), run.findings)
    if not number:
        return findings
    from components.ingest.config import IngestConfig
    from pipelines.review.suggestions import suggest

    found = suggest(run, frozenset(findings.decided()), number, IngestConfig(**run.ingest), folder)
    return Findings(run, file, user(), found.rows, found.unlabelled, found.images)


def _serve(server: "ReviewServer", browser: bool) -> None:
    """Serves until Ctrl-C, or until the process is asked to end."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    print_note(f"review: {server.address} (Ctrl-C ends it)")
    if browser and sys.stderr.isatty() and (sys.platform == "darwin" or {"DISPLAY", "WAYLAND_DISPLAY"} & os.environ.keys()):
        webbrowser.open(server.address)
    with suppress(KeyboardInterrupt):
        server.serve_forever()


def _say_what_was_written(findings: "Findings", before: int, settings: str) -> None:
    now = len(findings.decided())
    print_note(
        f"{now:,} image(s) have a verdict in {findings.file} ({now - before:+,} in this session): "
        f"the next `darkroom run`{settings} respects them"
    )
