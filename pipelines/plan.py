"""The plan: everything about a run that can be read and checked before a step starts."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from components import STEPS
from darkroom.data_files import absolute
from darkroom.versions.addresses import is_address, parse_address
from darkroom.versions.code import code_version
from darkroom.versions.data_version import check_source, data_version
from pipelines.params import PARAMS, frozen, model_name, read_settings
from pipelines.platform import PlatformConfig

DATA = Path("data")


@dataclass(frozen=True)
class Plan:
    """All that decides a run's result, except the registry.

    Attributes:
        source: Where the data is, as the user named it.
        version: Hash of the data.
        name: The model's name in the registry, and the experiment's.
        params: Settings, a section a step, complete with defaults.
        platform: Where and how the steps run, which changes no result.
        tags: Further tags of the run; where they say that it asks (see `darkroom.tracking.leases`), it runs only if no other does.
        previous: Hash of the earlier assignment to splits that is continued, or `none`; empty: as `split.previous` says.
    """

    source: Path
    version: str
    name: str
    params: dict[str, dict[str, Any]]
    platform: PlatformConfig
    tags: Mapping[str, str] = field(default_factory=dict)
    previous: str = ""

    @property
    def shown_source(self) -> str:
        """Where the data is, as MLflow and a person are told: an absolute path, or an address."""
        return parse_address(self.source).text if is_address(self.source) else str(absolute(self.source))


def make_plan(data: Path | None, overrides: Sequence[str], params: Path = PARAMS) -> Plan:
    """Reads and checks everything that can be checked before a step starts.

    Args:
        data: The data source, or none for `data/`.
        overrides: Settings such as `train.epochs=3`, laid over the file's.
        params: The file of settings.

    Raises:
        InputError: A setting is wrong, or there is no data.
    """
    settings, platform = read_settings(overrides, params)
    source = data or DATA
    check_source(source)
    return Plan(source, data_version(source), model_name(settings, source), frozen(settings), platform)


def key_of(plan: Plan, start: str = "scratch", window: str = "", renews: str = "") -> str:
    """Names a retraining by all that it is made from: 20 hexadecimal digits.

    Args:
        plan: Data, settings and the model's name.
        start: Where the weights start.
        window: The day, week or month that it is for, or empty.
        renews: The version whose age is the reason, or empty.
    """
    code = {step: code_version(step) for step in STEPS}
    parts = [plan.name, plan.version, plan.params, code, start, window, renews]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:20]
