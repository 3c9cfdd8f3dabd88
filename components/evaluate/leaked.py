"""What leaks are worth: the measures without the images that leak, and these beside their neighbours in training as pictures."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from components.evaluate.mistakes import save_thumbnail
from darkroom.evaluation import LEAKED, Predictions
from darkroom.images import Images
from darkroom.leaks import Leaks
from darkroom.notes import Note, tell
from darkroom.system.files import write_json


def measure_without(predictions: Predictions, leaks: Leaks) -> dict[str, Any]:
    """The leaks' figures, with the measures `without` the images that leak, empty where none is left; of a sample also those `with` them.

    Args:
        predictions: Answers on all images that are tested on.
        leaks: What leaks.
    """
    leaking = {one.image_id for one in leaks.found}
    tested = frozenset(leaks.sample or predictions.image_ids)
    kept = [name for name in predictions.image_ids if name in tested and name not in leaking]
    every = {"with": predictions.at([name for name in predictions.image_ids if name in tested]).measures()} if leaks.sample else {}
    return {**leaks.plain(), **every, "without": predictions.at(kept).measures() if kept else {}}


def draw_pairs(folder: Path, leaks: Leaks, images: Images, num_pairs: int) -> None:
    """Writes the surest pairs as pictures, and `leaks.json` with what they are.

    Args:
        folder: Where to.
        leaks: What leaks.
        images: The files of tested and training images.
        num_pairs: How many at most.
    """
    folder.mkdir(parents=True)
    rows = []
    for number, one in enumerate(leaks.found[:num_pairs]):
        files = [save_thumbnail(folder, f"{number:03d}-{side}", images[name]) for side, name in enumerate((one.image_id, one.other_id))]
        rows.append({**asdict(one), "file": files[0], "other_file": files[1]})
    write_json(folder / LEAKED, rows)


def tell_leaks(headline: dict[str, float], figures: dict[str, Any], leaks: Leaks) -> tuple[Note, ...]:
    """What is said of leaks beyond chance beside the score that they raise."""
    if not leaks.beyond_chance:
        return ()
    every, without = figures.get("with", headline), figures["without"]
    worth = "nothing is left without them"
    if without:
        worth = ", ".join(f"{name} is {every[name]:.4f} with and {without[name]:.4f} without them" for name in ("accuracy", "f1_macro"))
    return tell("evaluate", (), [f"{leaks} have a suspicious neighbour in training: {worth}"])
