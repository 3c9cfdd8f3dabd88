"""Forgets images: plans what is to go, carries it out, looks for what is left, and leaves a record without the images."""

import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from darkroom.system.errors import InputError
from darkroom.system.formats import Format
from darkroom.system.processes import user
from darkroom.system.secrets import redact
from darkroom.tracking.client import is_tracked
from darkroom.tracking.tags import KUBEFLOW_TAG
from darkroom.versions.addresses import is_address
from darkroom.versions.data_version import data_version, difference, recorded_version
from pipelines import history
from pipelines.forget import delivered, kept_here, kept_in_store
from pipelines.forget.kept_in_store import Use
from pipelines.forget.named import named
from pipelines.forget.removals import Removal
from pipelines.forget.subject import Subject, find_subject
from pipelines.forget.traces import Traces, all_files
from pipelines.history import Record
from pipelines.params import SOURCED, named_sources, read_settings

RECORD = Path("forgotten.jsonl")
_FORMAT = Format("record of forgotten images")


@dataclass
class ForgetPlan:
    """What is to be done.

    Attributes:
        data: The data's folder.
        subject: The images.
        removals: What is to go, in the order in which it does.
        uses: The registered models whose data had an image.
        left: What Darkroom can't remove, a sentence each.
    """

    data: Path
    subject: Subject
    removals: list[Removal]
    uses: list[Use]
    left: list[str] = field(default_factory=list)

    @property
    def counts(self) -> dict[str, int]:
        """How many things of each kind are to go."""
        return dict(Counter(removal.kind for removal in self.removals))


def make_forget_plan(words: Sequence[str], data: Path) -> ForgetPlan:
    """Finds all that the project keeps of some images; nothing is changed.

    Args:
        words: Their ids, beginnings of these, or paths of their files.
        data: The data's folder.

    Raises:
        InputError: A word means no image, nothing is kept of them, a run is in progress, or the data is an archive.
    """
    kept_here.check_idle()
    subject, left = find_subject(words, data), list[str]()
    names = named(data, subject, read_settings([])[0]["ingest"])
    previous, renamed = kept_here.previous_removals(subject)
    found = [  # in this order: what tells where an image was goes after what it tells of, so that an interruption loses nothing
        *kept_here.text_removals(subject),
        *(kept_in_store.store_removals(subject, renamed, left) if is_tracked() else ()),
        *previous,
        *kept_here.run_removals(subject),
        *kept_here.shared_removals(subject),
        *delivered.dvc_removals(data, subject, names, left),
        *delivered.data_removals(data, subject, names, left),
        *delivered.verdict_removals(subject, history.runs() if is_tracked() else []),
    ]
    removals = _without_inner(found)
    if not removals:
        raise InputError(
            f"nothing here is kept of {', '.join(name[:12] for name in subject.names)}", "is the id right, and this the project?"
        )
    if unknown := [name[:12] for name, content in subject.contents.items() if not content]:
        left.append(f"the bytes of {', '.join(unknown)} are not here any more, so DVC's remote can't be asked for them")
    left += _elsewhere(subject, data)
    return ForgetPlan(data, subject, removals, kept_in_store.uses(subject) if is_tracked() else [], left)


def forget(plan: ForgetPlan, reason: str = "") -> dict[str, Any]:
    """Carries out a plan, then looks through the whole project for what is left.

    Args:
        plan: What is to be done; a plan that was interrupted is made again and carried out.
        reason: Why, for the record.

    Returns:
        What the record says.
    """
    kept_here.check_idle()
    before = recorded_version(plan.data)
    try:
        for removal in plan.removals:
            removal.do()
        if is_tracked():
            kept_in_store.vacuum()
    except BaseException:  # what tells which models had the images may be gone when this is repeated
        _record(plan, reason, before, ["it was interrupted, and is to be repeated"])
        raise
    traces = plan.subject.traces
    left = [*plan.left, *_still_held(traces)]
    left += [f"{path} is damaged or encrypted: its bytes were searched as they are" for path in sorted(traces.damaged) if path.exists()]
    if before and (changed := difference(plan.data, data_version(plan.data))):
        left.append(changed)
    return {**_record(plan, reason, before, left), "left": left}


def _record(plan: ForgetPlan, reason: str, before: str, left: Sequence[str]) -> dict[str, Any]:
    record = {
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "who": user(),
        "reason": reason,
        "images": [hashlib.sha256(name.encode()).hexdigest() for name in plan.subject.names],
        "data_version_before": before,
        "data_version": recorded_version(plan.data),
        "removed": plan.counts,
        "models": [use.plain() for use in plan.uses],
        "left": [plan.subject.blot(text) for text in left],
    }
    with RECORD.open("a", encoding="utf-8") as file:
        file.write(json.dumps(_FORMAT.stamp(record), ensure_ascii=False) + "\n")
    return record


def _still_held(traces: Traces) -> Iterator[str]:
    """What is to be said of each file of the project that holds an image, or that can't be read."""
    for path in all_files(Path()):
        try:
            if path != RECORD and traces.in_file(path):
                yield f"{path} still holds it"
        except InputError as error:  # the images are gone from all else, which has to be recorded
            yield str(error)


def _without_inner(removals: Sequence[Removal]) -> list[Removal]:
    """Without what lies in a folder that goes as a whole."""
    folders = {removal.place for removal in removals}
    return [
        removal for removal in removals if not any(str(folder) in folders for folder in Path(removal.place).parents if str(folder) != ".")
    ]


def _elsewhere(subject: Subject, data: Path) -> list[str]:
    """Files of the images in sources that runs have read and that are not the project's data, and what runs left on Kubeflow."""
    runs = history.runs() if is_tracked() else []
    sources = {Path(run.source) for run in runs if run.source}
    sources |= {named for run in runs for named in named_sources(history.logged_settings(run))}
    places = {source / path for source in sources for path in subject.paths if source.is_dir()}
    here = {os.path.realpath(place) for place in subject.places}
    remote = [f"run {run.run_id[:8]} ran on Kubeflow, where the files of its steps were left" for run in runs if run.tags.get(KUBEFLOW_TAG)]
    return [*remote, *_not_searched(subject, runs)] + [
        f"{place} is in a source that a run has read, and was left as it is: `--data` with that folder takes it out"
        for place in sorted(places)
        if place.is_file() and os.path.realpath(place) not in here and subject.traces.in_file(place)
    ]


def _not_searched(subject: Subject, runs: Sequence[Record]) -> Iterator[str]:
    """Archives that hold an image, and addresses from which one may have come, that runs have read."""
    read = {(run.source, run.data_version) for run in runs if run.source}
    for settings in map(history.logged_settings, runs):
        named = [settings.get(step, {}) for step in SOURCED]
        read |= {(str(section["data"]), str(section.get("data_version", ""))) for section in named if section.get("data")}
    for source in sorted({source for source, version in read if subject.versions.get(version, True)}):
        if is_address(source):
            yield f"{redact(source)} was read by a run and is not written to: take the image out there, if it holds it"
        elif Path(source).is_file() and subject.traces.in_file(Path(source)):
            yield f"{source} was read by a run, holds the image and is not written anew: pack it without the image"
