"""The command line: `darkroom --help`.

Exit status: 0 done, 1 the run failed, 2 the command or its input was wrong. Messages and progress go to standard
error, results to standard output; with `--json` its last line is one JSON object.
"""

import json
import sys
from collections.abc import Sequence
from contextlib import suppress

import typer

from darkroom.system.errors import InputError, RunError
from darkroom.system.faults import explain
from darkroom.system.secrets import redact
from darkroom.system.streams import output_fault
from pipelines.check.command import doctor
from pipelines.collect.command import gc
from pipelines.compare.command import runs, ui
from pipelines.data.command import diff, log
from pipelines.forget.command import forget
from pipelines.options import Output
from pipelines.predict.command import predict
from pipelines.project import in_project
from pipelines.promote.command import models, promote, rollback
from pipelines.recover.command import sync
from pipelines.retrain.command import retrain
from pipelines.review.command import review
from pipelines.run.command import logs, resume, run
from pipelines.schedule import command as schedules
from pipelines.submit.command import compile, submit
from pipelines.terminal import print_note
from pipelines.tune.command import tune
from pipelines.version.command import sample, version

_INTERRUPTED = 130  # how typer ends a command that Ctrl-C stopped
_STOPPED = "stopped; the same command goes on from where it was"

app = typer.Typer(
    help="Turns labelled images into a registered, explained, compressed classifier, again and again.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)
for command in (run, retrain, tune, resume, sync, runs, gc, logs, ui, review, predict, models, promote, rollback, compile, submit, doctor):
    app.command()(in_project(command))

data_app = typer.Typer(
    help="Shows versions of the data and what differs between them; takes an image out; lays out the sample.", no_args_is_help=True
)
for about_data in (version, log, diff, forget, sample):
    data_app.command()(in_project(about_data))
app.add_typer(data_app, name="data")

schedule_app = typer.Typer(help="Retrains by itself: schedules in params.yaml, on Kubeflow or on this machine.", no_args_is_help=True)
for action in (schedules.apply, schedules.pause, schedules.resume, schedules.remove, schedules.run, schedules.start):
    schedule_app.command()(in_project(action))
schedule_app.command("list")(in_project(schedules.list_))
schedule_app.command("export")(in_project(schedules.export_))
app.add_typer(schedule_app, name="schedule")


def main(words: Sequence[str] | None = None) -> None:
    """Runs a command; a user's mistake becomes one sentence and exit status 2.

    Args:
        words: The command line after the program's name; this process's where none is given.
    """
    output = Output()
    try:
        app(words, obj=output)
        return
    except SystemExit as ended:
        fault = output_fault()
        if fault is None and ended.code != _INTERRUPTED:
            raise
        status, message, notes = 1, _STOPPED if fault is None else fault, list[str]()
    except Exception as error:
        fault = None if isinstance(error, InputError | RunError) else output_fault(error)
        message = str(error) if isinstance(error, InputError | RunError) else fault or explain(error)
        if not message and fault is None:
            raise
        status, notes = 2 if isinstance(error, InputError) else 1, getattr(error, "__notes__", [])
    message = redact(message)
    if message:
        print_note("\n".join([f"error: {message}", *notes]))
    if output.as_json:
        with suppress(OSError):
            print(json.dumps({"error": message, "status": status}, ensure_ascii=False), flush=True)
        output_fault()
    sys.exit(status)


if __name__ == "__main__":
    main()
