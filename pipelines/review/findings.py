"""The findings as the page shows them: grouped by check, worst first, with what is known of each image."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from darkroom import proposals, verdicts
from darkroom.images import Images
from darkroom.issues import WITHOUT_PICTURE, by_check
from darkroom.system.errors import InputError
from darkroom.verdicts import RELABEL, WORDS, Verdict
from pipelines.review.reviewed_run import ReviewedRun

MAX_COUNT = 200  # findings in one answer


@dataclass
class Findings:
    """What is reviewed, and the verdicts on it.

    Attributes:
        run: The run.
        file: Where verdicts are written.
        who: Who gives them.
        rows: Findings as `darkroom.issues` has them.
        others: Ids of further images, by path: those that are not in the run.
        packed: The further images.
    """

    run: ReviewedRun
    file: Path
    who: str
    rows: Sequence[Mapping[str, Any]]
    others: Mapping[str, str] = field(default_factory=dict)
    packed: Images | None = None

    @cached_property
    def groups(self) -> dict[str, list[Mapping[str, Any]]]:
        """The findings that can be shown, by check; worst first."""
        shown = [row for row in self.rows if row["image_id"] and row["check"] not in WITHOUT_PICTURE]
        return {check: [shown[number] for number in numbers] for check, numbers in by_check(shown).items()}

    @cached_property
    def names(self) -> frozenset[str]:
        """Ids of all images that can be seen and judged."""
        found = {row["image_id"] for rows in self.groups.values() for row in rows}
        return frozenset({*found, *(self._ids[row["other"]] for rows in self.groups.values() for row in rows if row["other"] in self._ids)})

    def image(self, name: str) -> bytes | None:
        """The bytes of an image, or nothing where they can't be had any more."""
        if self.packed is not None and name in self.packed:
            return self.packed[name]
        return self.run.image(name)

    def overview(self) -> dict[str, Any]:
        """What the page shows first: checks with their numbers, classes, and where verdicts go."""
        hidden = Counter(row["check"] for row in self.rows if not row["image_id"] or row["check"] in WITHOUT_PICTURE)
        decided = self.decided()
        return {
            "run": self.run.run_id,
            "file": str(self.file),
            "who": self.who,
            "classes": list(self.run.delivered.classes),
            "multilabel": self._is_multilabel,
            "checks": [
                {"check": check, "count": len(rows), "decided": sum(row["image_id"] in decided for row in rows)}
                for check, rows in self.groups.items()
            ],
            "hidden": dict(hidden),
        }

    def part(self, check: str, start: int, count: int) -> list[dict[str, Any]]:
        """Some findings of a check, as the page shows them.

        Args:
            check: Its name.
            start: How many come before.
            count: How many at most.
        """
        decided = self.decided()
        rows = self.groups.get(check, [])[max(start, 0) :][: min(max(count, 0), MAX_COUNT)]
        return [self._shown(row, decided) for row in rows]

    def decided(self) -> dict[str, Verdict]:
        """The verdicts so far, by `image_id`: also those of others, and those that the run read in the data's root."""
        return verdicts.latest([*self.run.delivered.verdicts, *verdicts.read(self.file)])

    def judge(self, image: str, word: str, labels: Sequence[str]) -> dict[str, Any]:
        """Writes a verdict.

        Args:
            image: An image's id.
            word: keep, drop or relabel.
            labels: What it shows, where it is relabelled.

        Returns:
            The verdict as the page shows it.

        Raises:
            InputError: It can't be given, or not be written.
        """
        if image not in self.names:
            raise InputError("there is no such image in this review")
        if word not in WORDS:
            raise InputError(f"the verdict is {word[:40]!r}: it must be one of {', '.join(WORDS)}")
        if (word == RELABEL) != bool(labels) and not (word == RELABEL and self._is_multilabel):
            raise InputError("a relabelled image needs a label, and no other does")
        if not set(labels) <= set(self.run.delivered.classes) or (len(labels) > 1 and not self._is_multilabel):
            raise InputError("the labels must be classes of this data, one unless the task is multilabel")
        verdict = Verdict(image, word, verdicts.joined(labels), self.who, verdicts.now())
        verdicts.append(self.file, verdict)
        return self._judged(verdict)

    def _judged(self, verdict: Verdict) -> dict[str, Any]:
        known = self.run.delivered.classes
        try:
            labels = verdict.labels(known, multilabel=self._is_multilabel) if verdict.word == RELABEL else ()
        except InputError:
            labels = (verdict.label,)  # of a class that there was in other data
        return {"verdict": verdict.word, "labels": list(labels), "who": verdict.who, "when": verdict.when}

    def _shown(self, row: Mapping[str, Any], decided: Mapping[str, Verdict]) -> dict[str, Any]:
        image, other = row["image_id"], row["other"]
        return {
            **self._about(row["path"], image, decided),
            "check": row["check"],
            "score": row["score"],
            "action": row["action"],
            "detail": row["detail"],
            "other": self._about(other, self._ids[other], decided) if other in self._ids else None,
        }

    def _about(self, path: str, image: str, decided: Mapping[str, Verdict]) -> dict[str, Any]:
        verdict = decided.get(image)
        return {
            "image_id": image,
            "path": path,
            "labels": self._labels.get(path, []),
            "split": self._splits.get(path) or "",
            "proposed": self._proposed.get(path),
            "verdict": self._judged(verdict) if verdict else None,
        }

    @property
    def _is_multilabel(self) -> bool:
        return self.run.delivered.task == "multilabel"

    @cached_property
    def _ids(self) -> dict[str, str]:
        return {**dict(self.run.paths), **self.others}

    @cached_property
    def _labels(self) -> dict[str, list[str]]:
        return dict(zip(self.run.delivered.column("path"), self.run.delivered.label_lists(), strict=True))

    @cached_property
    def _splits(self) -> dict[str, str]:
        table = self.run.splits
        return dict(zip(table.column("path"), table.column("split"), strict=True)) if table else {}

    @cached_property
    def _proposed(self) -> dict[str, list[str]]:
        """The labels that images should have, by path: what is proposed, and else what the models of a finding answer."""
        return {**self.run.expected, **(proposals.proposed_labels(self.run.splits) if self.run.splits else {})}
