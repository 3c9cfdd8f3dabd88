"""The outcome of a search: its trials, the best settings, and the patch that writes these into the file of settings."""

import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from components.tune.space import Choices, parameters_of
from darkroom.notes import KEY as NOTES
from darkroom.system.errors import InputError
from darkroom.system.files import whole, write_json
from darkroom.tuned import Tuned, read_tuned
from pipelines.plan import Plan
from pipelines.run.finish import Ending, complete_log, facts
from pipelines.run.local import Execution
from pipelines.table import print_table
from pipelines.tune.patch import patch, patched
from pipelines.view import Listener

PATCH = "params.patch"


def search_ending(params: Path, *, apply: bool) -> Ending:
    """How a search ends: its result is written, with a patch of the file of settings.

    Args:
        params: The file of settings.
        apply: Whether the best settings are written into it.
    """

    def end(plan: Plan, run_id: str, folder: Path, execution: Execution, view: Listener) -> dict[str, Any]:
        complete_log(plan, run_id, folder, execution, view)
        found = read_tuned(Path(execution.outputs["tuned"].path))
        outcome = {**facts(plan, run_id), **found.plain(), "steps": execution.steps, "patch": "", "applied": False}
        if found.best:
            outcome |= keep_best(params, found.best, folder / PATCH, view.note, apply=apply)
        write_json(folder / "outcome.json", outcome)
        return outcome

    return end


def check_file(params: Path, search: Mapping[str, Any]) -> None:
    """Raises `InputError` where what is searched can't be written into the file of settings, before there is anything to write."""
    space = parameters_of(search)
    patched(params, {name: one.values[0] if isinstance(one, Choices) else one.low for name, one in space.items()})


def keep_best(params: Path, best: Mapping[str, Any], target: Path, note: Callable[[str], None], *, apply: bool) -> dict[str, Any]:
    """Writes the patch, and the file of settings where that is asked for; a file that no line can be changed of is only told."""
    try:
        change, new = patch(params, best), patched(params, best)
    except InputError as error:
        note(f"note: {error}")
        return {}
    for path, text in {target: change, **({params: new} if apply else {})}.items():
        with whole(path) as draft:
            draft.write_text(text, encoding="utf-8")
    return {"patch": str(target), "applied": apply}


def show(found: Tuned) -> None:
    """Prints the trials, the best first; the settings that they had stand in columns."""
    names = sorted({name for trial in found.trials for name in trial.settings})
    headings = ["trial", found.monitor, "epochs", "state", *(name.removeprefix("train.") for name in names)]
    rows = []
    for trial in found.in_order():
        values = [_number(trial.settings.get(name)) for name in names]
        rows.append([str(trial.number), _number(trial.score), str(trial.num_epochs), trial.state, *values])
    print_table(headings, rows)


def tell(outcome: dict[str, Any], params: Path) -> None:
    """Says on standard error what the search found, and where the patch of the file of settings is."""
    console = Console(stderr=True, highlight=False)
    for note in outcome[NOTES]:
        console.print(f"{'warning: ' if note['is_warning'] else ''}{note['text']}", markup=False, soft_wrap=True)
    if outcome["patch"]:
        command = shlex.join(["patch", str(params), outcome["patch"]])
        then = "it is applied" if outcome["applied"] else f"apply it with `{command}`, or search with `--apply`"
        console.print(f"patch   {outcome['patch']}: {then}", markup=False, soft_wrap=True)


def _number(value: Any) -> str:
    return "" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)
