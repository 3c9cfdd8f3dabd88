"""The steps one after the other on tiny data, each in a process of its own, which says which files of the product it loaded."""

import importlib
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from components import STEPS
from components.train.config import TrainConfig
from darkroom.runtime.step import function_of, network_settings
from darkroom.system.config import dump
from tests import forks

ROOT = Path(__file__).parent.parent
PRODUCT = ("components", "darkroom", "pipelines")
SETTINGS: dict[str, dict[str, Any]] = {
    "pretrain": {"enabled": True, "epochs": 1},
    "tune": {"enabled": True, "num_trials": 2},
    "train": {"side_px": 16, "epochs": 1, "num_threads": 1},
    "evaluate": {"num_resamples": 100, "num_threads": 1},
    "prune": {"epochs": 1, "latency_rounds": 1},
    "register": {"num_resamples": 100},
}
FILES = {  # a step's inputs and outputs
    "ingest": "data images manifest",
    "embed": "images embeddings",
    "clean": "images manifest embeddings cleaned issues",
    "split": "cleaned images embeddings splits leaks",
    "augment": "images splits augmented_images examples policy contact_sheet",
    "pretrain": "images examples policy pretrained",
    "tune": "images augmented_images examples policy embeddings pretrained tuned tuned_policy",
    "train": "images augmented_images examples policy embeddings pretrained tuned model floor_model history learning_curves",
    "evaluate": "images splits model leaks evaluation",
    "prune": "images augmented_images examples policy model pruned_model",
    "register": "outcome summary",
    "report": "report outcome",
}
VALUES: dict[str, dict[str, Any]] = {
    "pretrain": {"network": network_settings({"train": dump(TrainConfig(side_px=16, num_threads=1))})},
    "tune": {"train_settings": {"side_px": 16, "epochs": 1, "num_threads": 1}, "augment_settings": {}},
    "register": {"name": "toys", "params": {}},
    "report": {"params": {}},
}


def loaded_files(folder: Path, environment: Mapping[str, str]) -> dict[str, set[str]]:
    """Runs every step in forks of this process; gives the files of the product that each loads.

    Args:
        folder: Where the data and what the steps make of it is written.
        environment: The steps' environment variables.
    """
    _draw(folder / "data")
    for step in STEPS:
        function_of(step)  # imports the libraries that it needs once for all forks
    found = {}
    for step in STEPS:
        done = forks.run(lambda step=step: _run(step, folder), folder, environment)  # type: ignore[misc]
        assert done.returncode == 0, done.stderr
        found[step] = set(json.loads(done.stdout.splitlines()[-1]))
    return found


def _draw(data: Path) -> None:
    """Two classes of small pictures, one red and one green."""
    rng = np.random.default_rng(0)
    for channel, name in enumerate(("cat", "dog")):
        (data / name).mkdir(parents=True)
        for number in range(14):
            pixels = rng.integers(0, 120, (16, 16, 3))
            pixels[:, :, channel] += 100
            Image.fromarray(pixels.astype(np.uint8)).save(data / name / f"{number}.png")


def _run(step: str, folder: Path) -> None:
    """Calls a step's plain function in a process that forgets the product first; prints the files of the product that it loads."""
    for name in _product():
        del sys.modules[name]
    function = getattr(importlib.import_module(f"components.{step}.{step}"), step)
    config = getattr(importlib.import_module(f"components.{step}.config"), f"{step.capitalize()}Config")
    given = {name: folder / name for name in FILES[step].split()} | VALUES.get(step, {})
    if step in ("register", "report"):
        given["artifacts"] = _artifacts(folder)
    function(**given, config=config(**SETTINGS.get(step, {})))
    files = [vars(sys.modules[name]).get("__file__") for name in _product()]
    print(json.dumps([Path(file).relative_to(ROOT).as_posix() for file in files if file]))


def _product() -> list[str]:
    """The product's modules that are loaded."""
    return [name for name in sys.modules if name.partition(".")[0] in PRODUCT]


def _artifacts(folder: Path) -> Any:
    """What the steps before have left; the pruned model is said to be as good as the full one."""
    from darkroom.artifacts import Artifacts

    names = (
        "model",
        "pruned_model",
        "evaluation",
        "evaluation",
        "evaluation",
        "splits",
        "issues",
        "contact_sheet",
        "history",
        "learning_curves",
    )
    return Artifacts(*(folder / name for name in names))
