"""What is done about odd images: flagged, tied to each other, or proposed to be dropped, which `split` applies to training images."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from components.clean.config import CleanConfig
from components.clean.odd_images import Odd
from darkroom import manifest as manifests
from darkroom.manifest import Manifest
from darkroom.proposals import DROP, propose, with_columns

_DONE = {"flag": "flagged", "tie": "tied", "drop": "drop proposed"}


def act_on_odd_images(
    kept: Manifest, found: Sequence[Odd], labels: Sequence[frozenset[str]], config: CleanConfig
) -> tuple[Manifest, list[str]]:
    """Ties and proposes what the settings say.

    Args:
        kept: Its `cluster` says what is tied already.
        found: The odd images, by their rows.
        labels: What each image shows.
        config: How large a cluster may be.

    Returns:
        The manifest with its `cluster` and `proposed_action`, and what was done about each finding.
    """
    clusters: list[str] = kept.column("cluster")
    large = set[str]()
    rows: dict[str, list[int]] = defaultdict(list)
    for one in found:
        if one.action == "tie":
            rows[one.check].append(one.row)
    for check, chosen in rows.items():
        if _is_large(chosen, labels, config):
            large.add(check)
        else:
            clusters = _joined(clusters, chosen)
    table = manifests.put_column(kept.table, "cluster", clusters)
    dropped = np.array(sorted({one.row for one in found if one.action == "drop"}), np.int64)
    if len(dropped):
        table = propose(with_columns(table), dropped, DROP, [[]] * len(dropped))
    return replace(kept, table=table), ["flagged" if one.check in large else _DONE[one.action] for one in found]


def _is_large(rows: Sequence[int], labels: Sequence[frozenset[str]], config: CleanConfig) -> bool:
    """Whether so many of a class would be tied that it can't be split, see `clean.max_cluster_share`."""
    sizes = Counter(label for one in labels for label in one)
    members = Counter(label for row in rows for label in labels[row])
    share = max((number / sizes[label] for label, number in members.items()), default=0.0)
    return len(rows) > config.max_cluster_images and share > config.max_cluster_share


def _joined(clusters: list[str], rows: Sequence[int]) -> list[str]:
    """The clusters of some rows as one, named by the smallest of their names."""
    joined = {clusters[row] for row in rows}
    name = min(joined, default="")
    return [name if cluster in joined else cluster for cluster in clusters]
