"""The steps of the pipeline, a folder each."""

import importlib
import sys
from types import ModuleType
from typing import Any

STEPS = ("ingest", "embed", "clean", "split", "augment", "pretrain", "tune", "train", "evaluate", "prune", "register", "report")


class _Moved(ModuleType):
    """Stands for `components.model`, which models registered by Darkroom 0.1.0 import.

    They bring a partial package `components` of their own; in a process that has imported this one, they use today's
    reader of their files. It is defined here, though every step's code version depends on this file, because no other file
    is run by every import of the package.
    """

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(importlib.import_module("darkroom.model"), name)


sys.modules[f"{__name__}.model"] = _Moved(f"{__name__}.model")
