"""A warm start: training from the champion's weights, where they fit."""

import dataclasses
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from components.ingest.config import IngestConfig
from components.ingest.contents import read_contents
from darkroom.model import WEIGHTS, ModelCard, read_card
from darkroom.networks.architectures import AUTO, canonical
from darkroom.registry.fetch import before_pruning, fetch_bundle, is_pruned
from darkroom.registry.package import bundle_sha256
from darkroom.registry.registry import Version, champion
from darkroom.system.files import whole
from darkroom.versions.addresses import fetched
from darkroom.versions.weights_version import weights_version
from pipelines.plan import Plan


@dataclass(frozen=True)
class Start:
    """Where training starts, and one sentence that says so."""

    start: Literal["scratch", "champion"]
    message: str


def warm_start(plan: Plan, cache: Path) -> tuple[Plan, Start]:
    """Lets a plan start from the champion's weights, where architecture, size and classes fit.

    Args:
        plan: What is to be run.
        cache: Folder in which models are kept, named by their content: so the weights enter caches by content.

    Returns:
        The plan, with `train.weights` (and `train.model` and `train.side_px`) set where they fit, and where training starts.
    """
    best = champion(plan.name)
    if best is None:
        return plan, Start("scratch", "starting from scratch: there is no champion to start from")
    bundle = _full_bundle(best, cache)
    if bundle is None:
        return plan, Start("scratch", f"starting from scratch: the full model of version {best.number} was not kept")
    card, train = read_card(bundle), plan.params["train"]
    if misfit := _misfit(card, train, plan):
        return plan, Start("scratch", f"starting from scratch: version {best.number} does not fit ({misfit})")
    weights = str(bundle / WEIGHTS)
    start = {"model": card.architecture, "weights": weights, "weights_version": weights_version(weights), "side_px": card.side_px}
    train = {**train, **start}
    warm = dataclasses.replace(plan, params={**plan.params, "train": train})
    return warm, Start("champion", f"starting from the weights of version {best.number}")


def _misfit(card: ModelCard, train: Mapping[str, Any], plan: Plan) -> str:
    """Why a model's weights can't be started from; empty where they can."""
    if train["weights"] not in ("auto", ""):
        return f"train.weights is {train['weights']!r} already"
    if train["model"] not in (AUTO, card.architecture) and card.architecture != canonical(train["model"]):
        return f"its architecture is {card.architecture}, train.model is {train['model']}"
    if train["side_px"] not in ("auto", card.side_px):
        return f"it is made for {card.side_px} px, train.side_px is {train['side_px']}"
    found: set[str] = set()
    with fetched(plan.source, plan.version) as folder:
        for labels in read_contents(folder, IngestConfig(**plan.params["ingest"])).values():
            found |= labels
    if found != set(card.classes):
        differing = sorted(found ^ set(card.classes))
        return f"its classes differ in {', '.join(map(repr, differing[:5]))}" + (" and more" if len(differing) > 5 else "")
    return ""


def _full_bundle(version: Version, cache: Path) -> Path | None:
    """A version's model before pruning, or nothing where it was not kept."""
    if not is_pruned(version):
        return fetch_bundle(f"{version.name}/{version.number}", cache)
    with tempfile.TemporaryDirectory() as folder:
        found = before_pruning(version, Path(folder))
        if found is None:
            return None
        target = cache / bundle_sha256(found)
        if not target.exists():
            with whole(target) as draft:
                shutil.copytree(found, draft)
    return target
