"""The policy of a trial: what its training does to images on the fly, by its settings of `augment`."""

from collections.abc import Mapping
from typing import Any

from darkroom.augmentation.policy import Policy
from darkroom.augmentation.policy_settings import FLIPS, PolicySettings, make_policy
from darkroom.system.config import parse


def trial_policy(given: Policy, settings: Mapping[str, Any], changed: Mapping[str, Any]) -> Policy:
    """The policy with other settings; mirroring, unless it is one of them, stays as it was measured or set.

    Args:
        given: The policy of the settings as they are.
        settings: Those of `augment` as they are.
        changed: The trial's instead.
    """
    if not changed:
        return given
    mirroring = {name: operation.probability if (operation := given.get(name)) else 0.0 for name in FLIPS}
    wanted = {name: value for name, value in settings.items() if name in PolicySettings.model_fields}
    return make_policy(parse(PolicySettings, "augment", {**wanted, **mirroring, **changed}), {})
