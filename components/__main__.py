"""Runs any step: `python -m components split --cleaned cleaned.parquet --splits splits.parquet --set split.seed=1`.

The options are the arguments of the step's function, whose docstring `--help` shows. Settings come from the step's
section in `params.yaml`. DVC's stages and `docker run` start steps this way.
"""

import argparse
import inspect
import os
import sys
from pathlib import Path
from typing import Any

from components import STEPS
from darkroom.runtime.outputs import refuse_overwriting
from darkroom.runtime.step import (
    arguments_of,
    call,
    config_of,
    evaluation_settings,
    floor_measure,
    function_of,
    named_settings,
    network_settings,
    unlabelled_settings,
)
from darkroom.system.config import dump, read_params
from darkroom.system.cores import share_cores
from darkroom.system.errors import InputError
from darkroom.system.faults import explain
from darkroom.system.files import write_json
from darkroom.system.streams import open_streams, use_utf8
from darkroom.tracking.tags import CHECKPOINTS, VECTORS
from darkroom.versions.data_version import data_version, difference

VERDICTS = ("verdicts", "verdicts_version")
FROM_SETTINGS = ("params", "train_settings", "augment_settings", "network", "floor_measure", *VERDICTS)  # they are no options


def main(words: list[str] | None = None) -> int:
    """Runs one step.

    Args:
        words: The command line after the program's name.

    Returns:
        The exit status: 0 done, 2 a wrong setting or bad data.
    """
    words = sys.argv[1:] if words is None else words
    if not words or words[0] not in STEPS:
        print(f"usage: python -m components STEP [options], where STEP is one of {', '.join(STEPS)}", file=sys.stderr)
        return 0 if words[:1] in ([], ["--help"], ["-h"]) else 2
    share_cores()
    step = words[0]
    options = vars(_parser(step).parse_args(words[1:]))
    for name, folder in ((CHECKPOINTS, "build/checkpoints"), (VECTORS, "build/vectors")):
        os.environ.setdefault(name, folder if os.access(".", os.W_OK) else "")
    params, sets, metrics, task = (options.pop(name) for name in ("params", "sets", "metrics", "task"))
    try:
        refuse_overwriting(step, options | {"metrics": metrics})
        sections = read_params(params, tuple(sets), STEPS)
        complete = {name: dump(config_of(name, sections.get(name, {}))) for name in STEPS}
        known: dict[str, Any] = {"params": complete, "train_settings": complete["train"], "augment_settings": complete["augment"]}
        known |= {"network": network_settings(complete), "floor_measure": floor_measure(complete)}
        known |= {name: complete["clean"][name] for name in VERDICTS if task != "ingest_unlabelled"}
        options |= {name: value for name, value in known.items() if name in arguments_of(step)}
        readers = {"ingest_evaluation": evaluation_settings, "ingest_unlabelled": unlabelled_settings}
        config = readers[task](sections) if task in readers else sections.get(step, {})
        if task == "ingest_unlabelled" and not complete["pretrain"]["enabled"]:
            options["data"] = ""
        with named_settings(task):
            measures = call(step, config, _complete(step, options), lambda epoch, measures: None)
        if metrics:
            write_json(metrics, measures)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"error: {explain(error) or error}: correct the paths that {step} was given", file=sys.stderr)
        return 2
    return 0


def _parser(step: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=f"python -m components {step}",
        description=inspect.getdoc(function_of(step)),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for name, parameter in arguments_of(step).items():
        if name in FROM_SETTINGS:
            continue
        required = parameter.default is inspect.Parameter.empty
        parser.add_argument(f"--{name.replace('_', '-')}", required=required, default="", metavar=name.upper())
    parser.add_argument("--params", type=Path, default=Path("params.yaml"), help="file of settings (default: params.yaml)")
    parser.add_argument("--set", dest="sets", action="append", default=[], metavar="STEP.NAME=VALUE", help="a setting; repeatable")
    parser.add_argument(
        "--task", default=step, help="the task that the step runs as: ingest_evaluation, for example, reads as evaluate.ingest says"
    )
    parser.add_argument("--metrics", type=Path, help="where the JSON of what the step measured is written")
    return parser


def _complete(step: str, options: dict[str, Any]) -> dict[str, Any]:
    """Fills in the data version where `ingest` was given none; raises an error where the data is not what is recorded."""
    if step == "ingest" and options["data"] and not options["data_version"]:
        source = Path(options["data"])
        options["data_version"] = data_version(source)
        if message := difference(source, options["data_version"]):
            raise InputError(message)
    return options


if __name__ == "__main__":
    use_utf8()
    open_streams()
    sys.exit(main())
