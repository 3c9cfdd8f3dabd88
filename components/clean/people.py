"""Applies what people decided about images: it holds in every split, and comes before anything that a check would do."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from components.clean.config import CleanConfig
from components.clean.exact_duplicates import Copy, Row
from darkroom import manifest as manifests
from darkroom.manifest import Manifest, quoted
from darkroom.proposals import withdrawn
from darkroom.system.errors import InputError
from darkroom.verdicts import DROP, KEEP, RELABEL, SETTING, Verdict, latest, read, read_at, read_bytes

CHECK = "verdict"

Finding = dict[str, Any]


@dataclass(frozen=True)
class Judged:
    """A manifest after people's verdicts.

    Attributes:
        delivered: The rows that nobody dropped, with the labels that people gave them.
        findings: A row for each file that was dropped or relabelled.
        settled: Images that a person kept or relabelled: no check proposes anything about them.
        kept: Images that a person kept: no check drops them, as far as they can be used at all.
        notes: Sentences for the person who started the run.
        warnings: Sentences about what may be a mistake.
    """

    delivered: Manifest
    findings: list[Finding]
    settled: frozenset[str]
    kept: frozenset[str]
    notes: list[str]
    warnings: list[str]

    def spare(self, copies: Sequence[Copy], rows: Sequence[Row]) -> list[Copy]:
        """Findings about equal pixels, in which what a person settled stays, and what contradicts that does not.

        Args:
            copies: What `find_copies` gave.
            rows: What it was given.
        """
        settled = {row.pixels for row in rows if row.image_id in self.settled}
        labels = defaultdict[str, set[frozenset[str]]](set)
        for row in rows:
            labels[row.image_id].add(row.labels)
        found = {copy.row.path for copy in copies}
        present = {row.image_id for row in rows if row.path not in found}  # `image_id` names one row
        judged = []
        for copy in copies:
            name, stays = copy.row.image_id, copy.kept
            if copy.check == "contradictory" and copy.row.pixels in settled:
                stays = name in self.settled
            elif copy.check == "duplicate" and name in self.kept:
                stays = True
            stays = stays and name not in present and (copy.kept or len(labels[name]) == 1)
            present |= {name} if stays else set()
            judged.append(replace(copy, kept=stays))
        return judged

    def silence(self, findings: Sequence[Finding]) -> list[Finding]:
        """The findings without those that only propose something about an image that a person has settled."""
        return [one for one in findings if one["image_id"] not in self.settled or one["action"] in ("dropped", "tied")]

    def without_proposals(self, kept: Manifest) -> Manifest:
        """A manifest in which nothing is proposed about an image that a person has settled."""
        return replace(kept, table=withdrawn(kept.table, self.settled))


def apply_verdicts(delivered: Manifest, config: CleanConfig) -> Judged:
    """Drops and relabels what people decided to, by the verdicts beside the data and those at `clean.verdicts`.

    Args:
        delivered: A row a delivered file, from `ingest`.
        config: Where more verdicts are.

    Raises:
        InputError: A verdict gives a label that is no class, the file is not as it was when the run began, or nothing is left.
    """
    given, warnings = _given(config)
    counting = latest([*delivered.verdicts, *given])
    known = set(delivered.column("image_id"))
    here = {name: verdict for name, verdict in counting.items() if name in known}
    labels = {name: verdict.labels(delivered.classes, multilabel=delivered.task == "multilabel") for name, verdict in here.items()
              if verdict.word == RELABEL}  # fmt: skip
    findings = _findings(delivered, here, labels)
    dropped = [name in here and here[name].word == DROP for name in delivered.column("image_id")]
    if dropped and all(dropped):
        raise InputError(f"people's verdicts drop all {len(dropped)} files: take some of them back, with a later verdict")
    left = _relabelled(delivered, labels)
    left = replace(left, table=left.table.filter(pa.array([not one for one in dropped], pa.bool_())), verdicts=())
    return Judged(
        left,
        findings,
        frozenset(name for name, verdict in here.items() if verdict.word != DROP),
        frozenset(name for name, verdict in here.items() if verdict.word == KEEP),
        _notes(here, findings, len(counting) - len(here)),
        warnings,
    )


def _given(config: CleanConfig) -> tuple[list[Verdict], list[str]]:
    """The verdicts at `clean.verdicts`, as they were when the run began, and what may be wrong with that file."""
    if not config.verdicts:
        return [], []
    file = Path(config.verdicts)
    if given := read_at(file, config.verdicts_version):
        return given, []
    if not read_bytes(file):
        problem = f"there is no file of verdicts at {file} ({SETTING}) yet: `darkroom review` makes it; if there is one, correct the path"
        return [], [problem]
    when = "when the run that is repeated began" if read(file) else "yet"
    return [], [f"no verdict at {file} ({SETTING}) counts, as there was none {when}"]


def _relabelled(delivered: Manifest, labels: dict[str, tuple[str, ...]]) -> Manifest:
    if not labels:
        return delivered
    rows = list(zip(delivered.column("image_id"), delivered.column(delivered.label_column), strict=True))
    if delivered.task == "multilabel":
        order = {name: number for number, name in enumerate(delivered.classes)}
        values = [sorted(labels[name], key=order.__getitem__) if name in labels else row for name, row in rows]
    else:
        values = [labels[name][0] if name in labels else row for name, row in rows]
    return replace(delivered, table=manifests.put_column(delivered.table, delivered.label_column, values))


def _findings(delivered: Manifest, here: dict[str, Verdict], labels: dict[str, tuple[str, ...]]) -> list[Finding]:
    """A row for each file that is dropped, or gets another label."""
    findings = []
    columns = (delivered.column(name) for name in ("path", "image_id", delivered.label_column))
    for path, name, before in zip(*columns, strict=True):
        verdict = here.get(name)
        if verdict is None or verdict.word == KEEP:
            continue
        shown = [before] if isinstance(before, str) else list(before)
        if verdict.word == RELABEL and set(labels[name]) == set(shown):
            continue
        by = f"by {verdict.who or 'a person'}" + (f" on {verdict.when[:10]}" if verdict.when else "")
        detail = f"was dropped {by}" if verdict.word == DROP else f"was relabelled from {quoted(shown)} to {quoted(labels[name])} {by}"
        action = "dropped" if verdict.word == DROP else "relabelled"
        findings.append({"path": path, "image_id": name, "check": CHECK, "score": 1.0, "action": action, "detail": detail, "other": None})
    return findings


def _notes(here: dict[str, Verdict], findings: list[Finding], num_gone: int) -> list[str]:
    words = Counter(verdict.word for verdict in here.values())
    actions = Counter(one["action"] for one in findings)
    said = [
        f"people's verdicts: {words[DROP]:,} image(s) dropped, {actions['relabelled']:,} file(s) relabelled, {words[KEEP]:,} image(s) "
        "kept as they are"
    ]
    gone = [f"{num_gone:,} verdict(s) are about images that are not in this data, or have no label in it, and change nothing"]
    has_said = words[DROP] or words[KEEP] or actions["relabelled"]  # else images have the label that a person gave them by now
    return [*(said if has_said else []), *(gone if num_gone else [])]
