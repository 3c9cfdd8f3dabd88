"""The rule by which a run's data has its version: what changes with it is said, and DVC's own md5 is kept where that is another."""

import os

from darkroom.tracking.tags import DATA_RULE, DVC_MD5, FILES_READ
from darkroom.versions.addresses import is_address
from darkroom.versions.data_version import dvc_md5, recorded_version
from pipelines.history import Record
from pipelines.plan import Plan


def changed_rule(plan: Plan, last: Record | None) -> str:
    """One sentence where data that is as it was in the last run has another version now, by the rule of this release.

    Args:
        plan: What is to be run.
        last: The newest run of its experiment, or none.
    """
    if last is None or last.tags.get(DATA_RULE) == FILES_READ or last.data_version == plan.version or is_address(plan.source):
        return ""
    if os.path.realpath(last.source) != os.path.realpath(plan.source):
        return ""
    if ".." not in last.source.split("/") and last.data_version != dvc_md5(plan.source):  # earlier releases hashed `..` wrongly
        return ""
    return (
        f"the version of the data is now that of the files that are read ({plan.version[:12]}), run {last.run_id[:8]} has it by an "
        f"earlier rule ({last.data_version[:12]}): so nothing comes from the cache this once"
    )


def kept_in_dvc(plan: Plan) -> dict[str, str]:
    """A tag with the md5 under which DVC keeps the data, where it does so and that is not the version."""
    recorded = recorded_version(plan.source)
    return {DVC_MD5: recorded} if recorded not in ("", plan.version) else {}
