"""Ties images that show the same: clusters, and a finding for each image that is tied or only flagged."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from components.clean.clusters import between_clusters, smallest_names, star_clusters
from components.clean.config import CleanConfig
from darkroom.similarity.confirmation import Confirmed
from darkroom.units import Integers

NEAR_DUPLICATE, SAME_THING = "near_duplicate", "same_thing"
_SAID = {NEAR_DUPLICATE: "looks like a copy of", SAME_THING: "shows the same thing as"}
_ACTIONS = {"tie": "tied", "flag": "flagged"}


@dataclass(frozen=True)
class LookAlike:
    """A finding about an image that shows the same as another.

    Attributes:
        row: Of the image.
        other: Of the image that it is a copy of, or none.
        check: `near_duplicate` or `same_thing`.
        score: Correlation of their details; of a cluster that is not made, its images.
        action: `tied` or `flagged`.
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
    centres = star_clusters(len(names), copies)
    findings = _findings(NEAR_DUPLICATE, config.near_duplicates, centres, copies)
    units = between_clusters(_only(ties, wanted & (config.same_things != "off")), centres)
    of_units = star_clusters(len(names), units)
    large = _too_large(of_units, centres, labels, config)
    of_units = np.where(np.isin(of_units, list(large)), np.arange(len(names)), of_units)
    findings += _findings(SAME_THING, config.same_things, of_units, units)
    findings += [_refusal(row, number, share, config) for row, (number, share) in large.items()]
    tied = centres if config.near_duplicates == "tie" else np.arange(len(names))
    if config.same_things == "tie":
        tied = of_units[tied]
    return smallest_names(tied, names), sorted(findings, key=lambda finding: finding.row)


def _only(ties: Confirmed, chosen: npt.NDArray[np.bool_]) -> Confirmed:
    return Confirmed(ties.pairs[chosen], ties.correlations[chosen])


def _findings(check: str, setting: str, centres: Integers, ties: Confirmed) -> list[LookAlike]:
    """A finding for each row that is not its cluster's centre."""
    scores = {(first, second): score for (first, second), score in zip(ties.pairs.tolist(), ties.correlations.tolist(), strict=True)}
    rows = np.flatnonzero(centres != np.arange(len(centres))).tolist()
    found = []
    for row, other in zip(rows, centres[rows].tolist(), strict=True):
        score = scores[min(row, other), max(row, other)]
        found.append(LookAlike(row, other, check, score, _ACTIONS[setting], f"{_SAID[check]} {{other}} (correlation {score:.2f})"))
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
        share = max((members[label] / sizes[label] for label in members), default=1.0)
        if share > config.max_cluster_share:
            found[centre] = (int(counts[centre]), share)
    return found


def _refusal(row: int, number: int, share: float, config: CleanConfig) -> LookAlike:
    limits = f"clean.max_cluster_share ({config.max_cluster_share:g}) and clean.max_cluster_images ({config.max_cluster_images})"
    detail = (
        f"shows the same thing as {number - 1:,} others, {share:.0%} of a class, above {limits}, so these are not tied: name a column that "
        "says what belongs together (ingest.group_column)"
    )
    return LookAlike(row, None, SAME_THING, float(number), "flagged", detail)
