"""Ties images that show the same: clusters, and a finding for each image that is tied or only flagged."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from components.clean.config import CleanConfig
from darkroom.similarity.clusters import between_clusters, smallest_names, star_clusters
from darkroom.similarity.confirmation import Confirmed
from darkroom.units import Integers

NEAR_DUPLICATE, SAME_THING = "near_duplicate", "same_thing"
_SAID = {NEAR_DUPLICATE: "looks like a copy of", SAME_THING: "shows the same thing as"}
MIN_UNITS = 3  # independent images that a class has to keep: one for each split
DROP_PROPOSED = "drop proposed"
_ACTIONS = {"tie": "tied", "drop": DROP_PROPOSED, "flag": "flagged"}


@dataclass(frozen=True)
class LookAlike:
    """A finding about an image that shows the same as another.

    Attributes:
        row: Of the image.
        other: Of the image that it is a copy of, or none.
        check: `near_duplicate` or `same_thing`.
        score: Correlation of their details; of a cluster that is not made, its images.
        action: `tied`, `flagged`, or `drop proposed` of a copy that is tied, too.
        detail: One sentence, in which {other} is the path of the other image.
    """

    row: int
    other: int | None
    check: str
    score: float
    action: str
    detail: str


def tie(ties: Confirmed, names: Sequence[str], labels: Sequence[frozenset[str]], config: CleanConfig) -> tuple[list[str], list[LookAlike]]:
    """Clusters images, first the copies, then the clusters that show the same thing.

    Args:
        ties: Pairs of rows that show the same.
        names: The images' ids, sorted.
        labels: What each shows.
        config: Thresholds, actions, and how large a cluster of the same thing may be.

    Returns:
        The name of each image's cluster: the smallest id in it; and the findings, by row.
    """
    near = ties.correlations >= config.min_near_duplicate
    wanted = near if config.same_things == "off" else near | (ties.correlations >= config.min_same_thing)
    copies = _only(ties, near & (config.near_duplicates != "off"))
    if config.near_duplicates == "flag":
        wanted &= ~near
    alone = np.arange(len(names))
    centres = star_clusters(len(names), copies)
    findings = _findings(NEAR_DUPLICATE, config.near_duplicates, centres, alone, copies, copies.pairs)
    tied = centres if config.near_duplicates in ("tie", "drop") else alone
    units, compared = between_clusters(_only(ties, wanted & (config.same_things != "off")), tied)
    of_units = star_clusters(len(names), units)
    large = _too_large(of_units, tied, labels, config)
    of_units = np.where(np.isin(of_units, list(large)), alone, of_units)
    findings += _findings(SAME_THING, config.same_things, of_units, tied, units, compared)
    findings += [_refusal(row, number, share, config) for row, (number, share) in large.items()]
    if config.same_things == "tie":
        tied = of_units[tied]
    dissolved = _dissolved(tied, labels)
    findings = [replace(one, action="flagged") if int(tied[one.row]) in dissolved else one for one in findings]
    findings += [_dissolution(row, number) for row, number in dissolved.items()]
    tied = np.where(np.isin(tied, list(dissolved)), alone, tied)
    return smallest_names(tied, names), sorted(findings, key=lambda finding: finding.row)


def _only(ties: Confirmed, chosen: npt.NDArray[np.bool_]) -> Confirmed:
    return Confirmed(ties.pairs[chosen], ties.correlations[chosen])


def _findings(check: str, setting: str, centres: Integers, owners: Integers, ties: Confirmed, compared: Integers) -> list[LookAlike]:
    """A finding for each row that is not its cluster's centre, about the images that were compared: each belongs to its owner."""
    known = zip(ties.pairs.tolist(), compared.tolist(), ties.correlations.tolist(), strict=True)
    seen = {tuple(pair): (images, score) for pair, images, score in known}
    rows = np.flatnonzero(centres != np.arange(len(centres))).tolist()
    found = []
    for row, centre in zip(rows, centres[rows].tolist(), strict=True):
        (own, other), score = seen[min(row, centre), max(row, centre)]
        if owners[own] != row:
            own, other = other, own
        found.append(LookAlike(own, other, check, score, _ACTIONS[setting], f"{_SAID[check]} {{other}} (correlation {score:.2f})"))
    return found


def _too_large(
    of_units: Integers, centres: Integers, labels: Sequence[frozenset[str]], config: CleanConfig
) -> dict[int, tuple[int, float]]:
    """Clusters of several units that are not made, by their centres: how many images, and their largest share of a class."""
    owners = of_units[centres]
    counts, num_units = np.bincount(owners, minlength=len(owners)), np.bincount(of_units, minlength=len(owners))
    sizes = Counter(label for one in labels for label in one)
    found = {}
    for centre in np.flatnonzero((counts > config.max_cluster_images) & (num_units > 1)).tolist():
        members = Counter(label for row in np.flatnonzero(owners == centre).tolist() for label in labels[row])
        share = max((number / sizes[label] for label, number in members.most_common(1)), default=1.0)
        if share > config.max_cluster_share:
            found[centre] = (int(counts[centre]), share)
    return found


def _dissolved(tied: Integers, labels: Sequence[frozenset[str]]) -> dict[int, int]:
    """Clusters, by their centres, that would leave a class too few to be split, the largest ones first; with how many images each has."""
    rows: dict[str, list[int]] = defaultdict(list)
    for row, one in enumerate(labels):
        for label in one:
            rows[label].append(row)
    found: dict[int, int] = {}
    for label in sorted(rows):
        owners, counts = np.unique(tied[rows[label]], return_counts=True)
        units = sum(number if owner in found else 1 for owner, number in zip(owners.tolist(), counts.tolist(), strict=True))
        for place in np.lexsort((owners, -counts)).tolist():
            owner, number = int(owners[place]), int(counts[place])
            if units < min(MIN_UNITS, len(rows[label])) and number > 1 and owner not in found:
                found[owner] = int((tied == owner).sum())
                units += number - 1
    return found


def _dissolution(row: int, number: int) -> LookAlike:
    detail = (
        f"looks like {number - 1:,} others, as of a camera that does not move; with these tied a class would have fewer than {MIN_UNITS} "
        "independent images, so they are not: name a column that says what belongs together (ingest.group_column)"
    )
    return LookAlike(row, None, SAME_THING, float(number), "flagged", detail)


def _refusal(row: int, number: int, share: float, config: CleanConfig) -> LookAlike:
    limits = f"clean.max_cluster_share ({config.max_cluster_share:g}) and clean.max_cluster_images ({config.max_cluster_images})"
    detail = (
        f"shows the same thing as {number - 1:,} others, {share:.0%} of a class, above {limits}, so these are not tied: name a column that "
        "says what belongs together (ingest.group_column)"
    )
    return LookAlike(row, None, SAME_THING, float(number), "flagged", detail)
