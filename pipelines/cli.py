"""The command line: `darkroom --help`.

Exit status: 0 done, 1 the run failed, 2 the command or its input was wrong. Messages and progress go to standard
error, results to standard output; with `--json` its last line is one JSON object.
"""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from components.errors import InputError

app = typer.Typer(
    help="Turns labelled images into a registered, explained, compressed classifier, again and again.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)
data_app = typer.Typer(help="Shows the data's version, or lays out the sample.", no_args_is_help=True)
app.add_typer(data_app, name="data")

Sets = Annotated[list[str] | None, typer.Option("--set", metavar="STEP.NAME=VALUE", help="A setting over params.yaml's; repeatable.")]
Json = Annotated[bool, typer.Option("--json", help="End standard output with one JSON object.")]
Params = Annotated[Path, typer.Option(help="The file of settings.")]
Source = Annotated[Path | None, typer.Option("--data", metavar="SOURCE", help="A folder, a zip or a tar; data/ where none is given.")]
DEFAULT_PARAMS = Path("params.yaml")


def main() -> None:
    """Runs a command; a user's mistake becomes one sentence and exit status 2."""
    as_json = "--json" in sys.argv
    status, message = 0, ""
    try:
        app()
    except InputError as error:
        status, message = 2, str(error)
    except KeyboardInterrupt:
        status, message = 1, "stopped; the same command goes on from where it was"
    except Exception as error:
        if type(error).__name__ != "StepFailedError":
            raise
        status, message = 1, str(error)
    print(f"error: {message}", file=sys.stderr)
    if as_json:
        print(json.dumps({"error": message, "status": status}, ensure_ascii=False))
    sys.exit(status)


@app.command()
def run(data: Source = None, sets: Sets = None, as_json: Json = False, params: Params = DEFAULT_PARAMS) -> None:
    """Runs the training pipeline on this machine.

    Example: `darkroom run --data photos/ --set train.epochs=3`
    """
    from pipelines import runs
    from pipelines.progress import Progress

    view = Progress()
    outcome = runs.run(runs.plan(data, sets or [], params), view)
    _summarise(outcome)
    if as_json:
        print(json.dumps(outcome, ensure_ascii=False))


@app.command()
def logs(run: Annotated[str, typer.Argument(help="A run's id, its beginning, or `last`.")], step: str = typer.Argument("")) -> None:
    """Shows what the steps of a run printed.

    Example: `darkroom logs last train`
    """
    from pipelines.runs import find_run

    folder = find_run(run) / "logs"
    paths = sorted(folder.glob("*.log"), key=lambda path: path.stat().st_mtime_ns)
    if step:
        chosen = [path for path in paths if path.stem == step]
        if not chosen:
            raise InputError(f"run {folder.parent.name[:8]} has no log of {step!r}: it has {', '.join(path.stem for path in paths)}")
        paths = chosen
    for path in paths:
        print(f"==> {path.stem} ({path})")
        print(path.read_text(), end="")


@app.command()
def compile(output: Annotated[Path, typer.Option("--output", "-o", help="The YAML file to write.")] = Path("build/training.yaml")) -> None:
    """Writes the pipeline as Kubeflow's YAML.

    Example: `darkroom compile -o training.yaml`
    """
    from kfp import compiler

    from components.files import whole
    from pipelines.training import training

    with whole(output) as draft:
        compiled = draft.with_suffix(".yaml")
        compiler.Compiler().compile(training, str(compiled))
        compiled.rename(draft)
    print(output)


@app.command()
def ui(port: Annotated[int, typer.Option(help="Port on this machine.", min=1, max=65535)] = 5000) -> None:
    """Opens MLflow's pages on the store that the runs are tracked in.

    Example: `darkroom ui --port 5001`
    """
    from components import tracking

    uri = tracking.use_store()
    if uri.startswith(("http://", "https://")):
        print(f"the runs are tracked on a server: open {uri}")
        return
    print(f"MLflow on {uri}: http://127.0.0.1:{port} (Ctrl-C ends it)", file=sys.stderr, flush=True)
    command = ["mlflow", "server", "--backend-store-uri", uri, "--host", "127.0.0.1", "--port", str(port)]
    os.execv(sys.executable, [sys.executable, "-m", *command])


@app.command()
def predict(
    model: Annotated[str, typer.Argument(help="A bundle's folder, NAME@ALIAS, NAME/VERSION, or a run's id.")],
    images: Annotated[list[Path], typer.Argument(help="Image files.")],
    as_json: Json = False,
) -> None:
    """Says what is on images.

    Example: `darkroom predict digits@champion photo.jpg`
    """
    from pipelines.predicting import predict_files

    answers = predict_files(model, images)
    _tabulate(answers)
    if as_json:
        print(json.dumps(answers, ensure_ascii=False))


@data_app.command("sample")
def data_sample(folder: Annotated[Path, typer.Argument(help="A folder that is missing or empty.")] = Path("data")) -> None:
    """Lays out the sample: scikit-learn's handwritten digits as PNG files.

    Example: `darkroom data sample`
    """
    from pipelines.sample import write_sample

    print(f"{write_sample(folder)} images in {folder}/")


@data_app.command("version")
def data_version(source: Annotated[Path, typer.Argument(help="A folder, a zip or a tar.")] = Path("data"), as_json: Json = False) -> None:
    """Shows the data's version, and whether it is the one that its .dvc file records; exit status 2 where it is not.

    Example: `darkroom data version`
    """
    from components import data_version as versions

    version = versions.data_version(source)
    if message := versions.difference(source, version):
        raise InputError(message)
    print(json.dumps({"data_version": version}) if as_json else version)


def _summarise(outcome: dict[str, Any]) -> None:
    model, metrics, pruned = outcome["model"], outcome["metrics"], outcome["pruned"]
    console = Console(stderr=True, highlight=False)
    table = Table(box=None, pad_edge=False)
    for heading in ("", "full", "pruned"):
        table.add_column(heading, justify="left" if not heading else "right")
    for name in ("accuracy", "balanced_accuracy", "f1_macro"):
        table.add_row(name, _number(metrics.get(name)), _number(pruned["metrics"].get(name)))
    table.add_row("latency", "1", _number(pruned.get("latency_ratio")))
    table.add_row("size", "1", _number(pruned.get("size_ratio")))
    console.print(table)
    alias = f", {model['alias']}" if model["alias"] else ""
    left_out = f"{outcome['dropped']} of the delivered files left out" if outcome["dropped"] else "no file left out"
    print(f"model   {model['name']} version {model['version']} ({model['variant']}{alias}): {outcome.get('reason', '')}", file=sys.stderr)
    print(f"run     {outcome['run_id']} in {outcome['experiment']!r}, data {outcome['data_version'][:12]}, {left_out}", file=sys.stderr)
    print(f"report  {outcome['report']}    compare runs: darkroom ui", file=sys.stderr)


def _tabulate(answers: list[dict[str, Any]]) -> None:
    table = Table(box=None, pad_edge=False)
    for heading in ("image", "labels", "probabilities"):
        table.add_column(heading)
    for answer in answers:
        likely = sorted(answer["probabilities"].items(), key=lambda item: -item[1])[:5]
        table.add_row(answer["image"], ", ".join(answer["labels"]) or "none", "  ".join(f"{name} {value:.3f}" for name, value in likely))
    Console(highlight=False).print(table)


def _number(value: Callable[..., Any] | float | None) -> str:
    return f"{value:.4f}" if isinstance(value, int | float) else ""


if __name__ == "__main__":
    main()
