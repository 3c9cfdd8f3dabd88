"""Whether a test set is a new one: some of its images have other labels than in the assignment that is continued."""

from components.split.constraints import SPLITS, TEST
from darkroom.manifest import Manifest


def relabelled_test_images(current: Manifest, splits: list[str], previous: Manifest | None) -> list[str]:
    """One sentence if test images of the earlier assignment are test images now, with other labels.

    Args:
        current: The images, with their labels.
        splits: The split of each.
        previous: The earlier assignment, or none.
    """
    if previous is None:
        return []
    test = SPLITS[TEST]
    rows = zip(previous.column("image_id"), previous.column("split"), previous.label_sets(), strict=True)
    before = {name: labels for name, split, labels in rows if split == test}
    now = zip(current.column("image_id"), splits, current.label_sets(), strict=True)
    changed = sum(split == test and before.get(name, labels) != labels for name, split, labels in now)
    if not changed:
        return []
    return [
        f"{changed:,} test image(s) have other labels than before: it is a new test set, and earlier predictions are scored on the new "
        "labels before they are compared"
    ]
