"""Finds images whose label is likely to be wrong, by models of the other images' labels; what follows from it is only proposed."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from components.clean.config import CleanConfig
from components.clean.label_models import Judges, Predictor, make_predictor
from darkroom import manifest as manifests
from darkroom import proposals
from darkroom.embeddings import Embeddings
from darkroom.folds import assign_folds
from darkroom.groups import canonical_order, grouping_columns, independent_units
from darkroom.images import Images
from darkroom.label_errors.confident_learning import LabelErrors, find_label_errors
from darkroom.manifest import Manifest, quoted
from darkroom.training.epochs import OnEpoch, nothing
from darkroom.training.linear import Floats
from darkroom.units import Integers, renumbered

MISLABELLED = "mislabelled"
ACTIONS = {"flag": "flagged", "relabel": "relabel proposed", "drop": "drop proposed"}


@dataclass(frozen=True)
class Mislabelled:
    """A finding about an image whose label is likely to be wrong.

    Attributes:
        row: Of the image.
        score: See `LabelErrors`.
        action: One of `ACTIONS`.
        detail: One sentence.
        expected: The labels that it should have.
    """

    row: int
    score: float
    action: str
    detail: str
    expected: tuple[str, ...]


@dataclass(frozen=True)
class Judged:
    """What the check found.

    Attributes:
        manifest: With `label_score`, and with what is proposed (`proposed_action`, and `proposed_label` or `proposed_labels`).
        findings: The worst first.
        skipped: What was not judged, a sentence each.
        told: By what it was judged, where that is not a linear model on the embeddings, a sentence each.
    """

    manifest: Manifest
    findings: list[Mislabelled]
    skipped: list[str]
    told: tuple[str, ...] = ()


def judge_labels(
    kept: Manifest,
    embeddings: Embeddings | None,
    config: CleanConfig,
    images: Images | None = None,
    checkpoints: Path | None = None,
    on_epoch: OnEpoch = nothing,
    store: Path | None = None,
) -> Judged:
    """Judges the label of every image by models that have seen neither the image nor what is tied to it.

    Args:
        kept: The images, with their `cluster`.
        embeddings: Of these images and others; without any, nothing is judged.
        config: The action, which models, and how many folds.
        images: The packed images, for vectors of small ones and for networks; without, linear models judge by the embeddings.
        checkpoints: A folder for unfinished networks, or none.
        on_epoch: Called after each epoch of a network with its number and its measures.
        store: A folder in which vectors of small pictures are kept from run to run, or none.

    Raises:
        InputError: Networks are asked for that can't be trained on so few images.
    """
    if config.mislabelled == "off":
        return Judged(kept, [], [])
    blank = replace(kept, table=proposals.with_columns(manifests.put_column(kept.table, "label_score", [None] * len(kept))))
    if embeddings is None:
        return Judged(blank, [], ["labels are not judged, as there are no embeddings"])
    rows, labels, unit = _judged(kept, embeddings, config.label_folds)
    skipped = _describe_skipped(kept, labels, config.label_folds)
    if len(labels) < (1 if kept.task == "multilabel" else 2):
        return Judged(blank, [], [*skipped, "no label is judged"])
    targets = _targets(kept, rows, labels)
    predictor = make_predictor(
        Judges(images, embeddings, config, checkpoints, on_epoch, store), kept, rows, targets, _folds(targets, unit, config)
    )
    errors = _errors(predictor, targets, config)
    if not errors.informed:
        return Judged(blank, [], [*skipped, "labels are not judged, as models of the other images answer no better than by chance"])
    findings = _findings(kept, rows, labels, errors, config)
    return Judged(_marked(blank, rows, labels, errors, config), findings, skipped, tuple(predictor.told))


def _judged(kept: Manifest, embeddings: Embeddings, num_folds: int) -> tuple[Integers, list[int], Integers]:
    """The rows that are judged, in canonical order; the labels that have an independent image in every fold; and the rows' units."""
    names = kept.column("image_id")
    rows = np.array([row for row in canonical_order(kept.table).tolist() if names[row] in embeddings], np.int64)
    unit, targets = independent_units(grouping_columns(kept))[rows], kept.targets()[rows]
    if kept.task == "multilabel":
        counts = [min(len(np.unique(unit[column == value])) for value in (0, 1)) for column in targets.T]
    else:
        counts = [len(np.unique(unit[targets == label])) for label in range(len(kept.classes))]
    labels = [label for label, number in enumerate(counts) if number >= num_folds]
    chosen = np.ones(len(rows), bool) if kept.task == "multilabel" else np.isin(targets, labels)
    return rows[chosen], labels, renumbered(unit[chosen])


def _describe_skipped(kept: Manifest, labels: list[int], num_folds: int) -> list[str]:
    used = {name for row in kept.label_lists() for name in row}
    skipped = sorted(used - {kept.classes[label] for label in labels})
    if not skipped:
        return []
    what = f"{len(skipped):,} labels are not judged, such as" if len(skipped) > 1 else "not judged is the label"
    return [f"{what} {skipped[0]!r}: it has (or lacks) fewer than {num_folds} independent images (clean.label_folds)"]


def _targets(kept: Manifest, rows: Integers, labels: list[int]) -> Integers:
    """The labels that are judged, numbered anew: `(N,)` or `(N, K)`."""
    found: Integers = kept.targets()[rows]
    return found[:, labels] if found.ndim == 2 else np.searchsorted(labels, found)


def _folds(targets: Integers, unit: Integers, config: CleanConfig) -> Integers:
    """The fold of each image, stratified by label; those of a unit are in one."""
    number = np.arange(len(targets))
    sparse = csr_array((np.ones(len(targets), np.int64), (number, targets))) if targets.ndim == 1 else csr_array(targets)
    return assign_folds(sparse, unit, number, config.label_folds, exclusive=targets.ndim == 1, seed=config.seed)


def _errors(predictor: Predictor, targets: Integers, config: CleanConfig) -> LabelErrors:
    """Label errors by models that have learnt from the images without those that a first round, of linear models, finds."""
    probabilities = predictor()
    doubted = _doubted(find_label_errors(probabilities, targets, config.min_mislabelled).found, predictor.wanted)
    if doubted.any() or predictor.networks:
        probabilities = predictor(doubted)
    return find_label_errors(probabilities, targets, config.min_mislabelled)


def _doubted(found: npt.NDArray[np.bool_], wanted: Floats) -> npt.NDArray[np.bool_]:
    """What is found, without the images of labels that would lose more than half of theirs."""
    lost = wanted[found].sum(0) > wanted.sum(0) / 2
    doubted: npt.NDArray[np.bool_] = found & ~(wanted[:, lost] > 0).any(1)
    return doubted


def _marked(blank: Manifest, rows: Integers, labels: list[int], errors: LabelErrors, config: CleanConfig) -> Manifest:
    """The manifest with every judged image's score, and what is proposed."""
    scores = np.full(len(blank), np.nan)
    scores[rows] = errors.scores
    table = manifests.put_column(blank.table, "label_score", scores.tolist())
    found = np.flatnonzero(errors.found)
    if config.mislabelled in (proposals.DROP, proposals.RELABEL):
        wanted = [_expected(blank, int(rows[place]), labels, errors.proposed[place]) for place in found.tolist()]
        table = proposals.propose(table, rows[found], config.mislabelled, wanted)
    return replace(blank, table=table)


def _findings(kept: Manifest, rows: Integers, labels: list[int], errors: LabelErrors, config: CleanConfig) -> list[Mislabelled]:
    """The findings, the worst first."""
    found = np.flatnonzero(errors.found)
    found = found[np.lexsort((rows[found], -errors.scores[found]))]
    action, given, findings = ACTIONS[config.mislabelled], kept.label_lists(), []
    for place in found.tolist():
        row = int(rows[place])
        expected = _expected(kept, row, labels, errors.proposed[place])
        detail = f"is labelled {quoted(given[row])}, and models of the other images answer {quoted(expected)}"
        findings.append(Mislabelled(row, float(errors.scores[place]), action, detail, tuple(expected)))
    return findings


def _expected(kept: Manifest, row: int, labels: list[int], proposed: npt.NDArray[np.bool_]) -> list[str]:
    """The labels that an image should have, in the order of the classes; those that are not judged stay as they are."""
    judged = {kept.classes[label] for label in labels}
    wanted = {kept.classes[label] for label, holds in zip(labels, proposed.tolist(), strict=True) if holds}
    given = kept.table[kept.label_column][row].as_py()
    stays = set(given) - judged if kept.task == "multilabel" else set()
    return [name for name in kept.classes if name in wanted | stays]
