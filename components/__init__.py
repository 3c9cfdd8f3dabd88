"""The steps of the pipeline, a folder each."""

import importlib
import sys
from collections.abc import Mapping
from types import ModuleType
from typing import Any

STEPS = ("ingest", "clean", "split", "augment", "train", "evaluate", "prune", "register", "report")


def evaluation_settings(sections: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """How `ingest` reads a frozen evaluation set: as it reads the data, unless `evaluate.ingest` says otherwise."""
    return {**sections.get("ingest", {}), **sections.get("evaluate", {}).get("ingest", {})}


class _Moved(ModuleType):
    """Stands for `components.model`, which models registered by Darkroom 0.1.0 import.

    They bring a partial package `components` of their own; in a process that has imported this one, they use today's
    reader of their files.
    """

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(importlib.import_module("darkroom.model"), name)


sys.modules[f"{__name__}.model"] = _Moved(f"{__name__}.model")
