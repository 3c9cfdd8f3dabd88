"""Ties: clusters whose members are like their centre, their names, and clusters that are too large."""

import numpy as np

from components.clean.config import CleanConfig
from components.clean.ties import LookAlike, tie
from darkroom.similarity.clusters import star_clusters
from darkroom.similarity.confirmation import Confirmed


def ties(*pairs: tuple[int, int, float]) -> Confirmed:
    return Confirmed(np.array([pair[:2] for pair in pairs], np.int64).reshape(-1, 2), np.array([pair[2] for pair in pairs]))


def tied(number: int, *pairs: tuple[int, int, float], others: int = 2, **config: object) -> tuple[list[str], list[LookAlike]]:
    """The clusters of some images, of whose class there are others that look like none of them."""
    names = [f"n{row}" for row in range(number + others)]
    clusters, found = tie(ties(*pairs), names, [frozenset("a")] * len(names), CleanConfig(**config))
    return clusters[:number], found


def test_ties_do_not_chain() -> None:
    chain = [(row, row + 1, 0.9) for row in range(6)]
    centres = star_clusters(7, ties(*chain)).tolist()
    assert centres == [1, 1, 1, 3, 3, 5, 5]
    assert star_clusters(3, ties()).tolist() == [0, 1, 2]


def test_copies_are_tied_to_the_centre_and_clusters_are_named_by_the_smallest_id() -> None:
    clusters, found = tied(5, (1, 2, 0.95), (2, 3, 0.9))
    assert clusters == ["n0", "n1", "n1", "n1", "n4"]
    assert [(one.row, one.other, one.check, one.score, one.action) for one in found] == [
        (1, 2, "near_duplicate", 0.95, "tied"), (3, 2, "near_duplicate", 0.9, "tied"),
    ]  # fmt: skip


def test_clusters_of_copies_that_show_the_same_thing_are_tied_to_each_other() -> None:
    clusters, found = tied(4, (0, 1, 0.95), (1, 2, 0.8), (2, 3, 0.9))
    assert clusters == ["n0"] * 4
    assert [(one.row, one.check) for one in found] == [(1, "near_duplicate"), (2, "same_thing"), (3, "near_duplicate")]


def test_what_is_flagged_or_off_is_not_tied() -> None:
    pairs = (0, 1, 0.95), (2, 3, 0.8)
    clusters, found = tied(4, *pairs, near_duplicates="flag", same_things="flag")
    assert (clusters, [one.action for one in found]) == (["n0", "n1", "n2", "n3"], ["flagged", "flagged"])
    clusters, found = tied(4, *pairs, same_things="off")
    assert (clusters, [one.check for one in found]) == (["n0", "n0", "n2", "n3"], ["near_duplicate"])
    assert tied(4, *pairs, near_duplicates="off", same_things="off")[1] == []


def test_a_cluster_above_its_share_is_not_made_and_asks_for_a_group_column() -> None:
    star = [(0, row, 0.8) for row in range(1, 4)]
    clusters, found = tied(5, (3, 4, 0.95), *star, max_cluster_images=4)
    assert clusters == ["n0", "n1", "n2", "n3", "n3"]
    assert [(one.row, one.other, one.check, one.action) for one in found] == [
        (0, None, "same_thing", "flagged"), (4, 3, "near_duplicate", "tied"),
    ]  # fmt: skip
    assert "ingest.group_column" in found[0].detail
    assert found[0].score == 5
    assert len(set(tied(5, (3, 4, 0.95), *star, max_cluster_images=5)[0])) == 1
    assert len(set(tied(5, (3, 4, 0.95), *star, max_cluster_images=4, max_cluster_share=1.0)[0])) == 1


def test_many_copies_of_one_picture_stay_together() -> None:
    clusters, _ = tied(6, *((0, row, 0.99) for row in range(1, 6)), max_cluster_images=2, max_cluster_share=0.1)
    assert set(clusters) == {"n0"}


def test_a_finding_is_about_the_images_that_were_compared() -> None:
    _, found = tied(4, (0, 1, 0.95), (1, 2, 0.8), (2, 3, 0.9))
    assert [(one.row, one.other, one.score) for one in found if one.check == "same_thing"] == [(2, 1, 0.8)]


def test_copies_that_are_flagged_alone_do_not_decide_which_images_show_the_same_thing() -> None:
    clusters, _ = tied(3, (0, 1, 0.95), (1, 2, 0.8), near_duplicates="flag")
    assert clusters == ["n0", "n1", "n1"]


def test_a_class_whose_images_all_look_alike_is_left_as_it_is() -> None:
    star = [(0, row, 0.9) for row in range(1, 8)]
    clusters, found = tied(8, *star, others=1)
    assert clusters == [f"n{row}" for row in range(8)]
    assert {one.action for one in found} == {"flagged"}
    (asked,) = [one for one in found if one.other is None]
    assert (asked.row, asked.score) == (0, 8)
    assert "ingest.group_column" in asked.detail


def test_of_a_class_only_the_largest_clusters_are_left_untied() -> None:
    pairs = [(0, row, 0.9) for row in range(1, 6)] + [(6, 7, 0.9)]
    clusters, found = tied(8, *pairs, others=0)
    assert clusters == [*(f"n{row}" for row in range(6)), "n6", "n6"]
    assert [one.row for one in found if one.other is None] == [0]


def test_the_share_of_a_cluster_is_that_of_its_most_frequent_class() -> None:
    names = [f"n{row:02d}" for row in range(100)]
    labels = [frozenset("b" if row == 3 else "a") for row in range(100)]
    pairs = ties(*((0, row, 0.8) for row in range(1, 4)))
    clusters, _ = tie(pairs, names, labels, CleanConfig(max_cluster_images=3, max_cluster_share=0.05))
    assert len(set(clusters[:4])) == 1
