"""The product's daily use as one story: a champion, nothing to do, better data, noise, a way back, and two turns at once."""

import json
import random
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.pipelines.conftest import Project

AREAS = {"left": np.s_[:, :8], "right": np.s_[:, 8:], "top": np.s_[:8, :]}
SETS = (
    "train.epochs=30",
    "train.side_px=16",
    "train.floor=report",
    "prune.enabled=false",
    "evaluate.num_resamples=100",
    "augment.max_copies=0",
)


def faint(folder: Path, per_class: int, seed: int) -> None:
    """Pictures of noise that are a little brighter on the left, on the right or at the top: few of them are not enough to learn from."""
    drawn = np.random.default_rng(seed)
    for label, area in AREAS.items():
        (folder / label).mkdir(parents=True, exist_ok=True)
        for number in range(per_class):
            picture = drawn.integers(0, 190, (16, 16, 3))
            picture[area] += 50
            Image.fromarray(picture.astype(np.uint8)).save(folder / label / f"{seed} {number:03d}.png")


def shuffle_labels(folder: Path, share: float) -> int:
    """Gives a share of the pictures the label of another one of them; tells how many have another label now."""
    chosen = random.Random(0)
    files = sorted(folder.glob("*/*.png"))
    picked = chosen.sample(files, round(share * len(files)))
    labels = [file.parent.name for file in picked]
    chosen.shuffle(labels)
    for file, label in zip(picked, labels, strict=True):
        file.rename(folder / label / f"from {file.parent.name} {file.name}")
    return sum(file.parent.name != label for file, label in zip(picked, labels, strict=True))


class Story:
    """A project with data that grows, and its turns."""

    def __init__(self, project: Project) -> None:
        self.project, self.data = project, project.folder / "shades"
        faint(self.data / "train", 8, seed=1)
        faint(self.data / "validation", 10, seed=2)
        faint(self.data / "test", 40, seed=3)

    def words(self, *more: str) -> list[str]:
        options = [word for setting in SETS for word in ("--set", setting)]
        return ["retrain", "--data", str(self.data), *options, *more, "--json"]

    def turn(self, *more: str) -> dict[str, Any]:
        done = self.project.darkroom(*self.words(*more))
        assert done.returncode == 0, done.stderr
        return answer(done.stdout)

    def champion(self) -> int:
        done = self.project.darkroom("models", "shades", "--json")
        assert done.returncode == 0, done.stderr
        (model,) = answer(done.stdout)["models"]
        return int(model["champion"])


def answer(text: str) -> Any:
    return json.loads(text.strip().split("\n")[-1])


def names(result: dict[str, Any]) -> list[str]:
    return [reason["name"] for reason in result["reasons"]]


@pytest.mark.slow
def test_the_whole_story(project: Project) -> None:
    story = Story(project)

    first = story.turn()
    assert (first["action"], names(first)) == ("train", ["no_champion"])
    assert first["outcome"]["model"] | {"variant": ""} == {"name": "shades", "version": 1, "alias": "champion", "variant": ""}

    start = time.monotonic()
    again = story.turn()
    seconds = time.monotonic() - start
    assert (again["action"], again["run"]["run_id"]) == ("nothing", first["outcome"]["run_id"])

    faint(story.data / "train", 60, seed=4)
    better = story.turn()
    assert names(better) == ["new_data"]
    assert better["reasons"][0]["detail"] == "180 images added, 0 removed, 0 relabelled"
    assert better["outcome"]["model"]["alias"] == "champion", better["outcome"]["reason"]
    assert "better than version 1" in better["outcome"]["reason"]

    clean = project.folder / "clean"
    shutil.copytree(story.data, clean)
    num_moved = shuffle_labels(story.data / "train", 0.3)
    noise = story.turn()
    assert noise["reasons"] == [{"name": "new_data", "detail": f"0 images added, 0 removed, {num_moved} relabelled"}]
    assert noise["outcome"]["model"]["version"] == 3
    assert noise["outcome"]["model"]["alias"] != "champion", noise["outcome"]["reason"]
    assert "worse than version 2" in noise["outcome"]["reason"] or "as good as version 2" in noise["outcome"]["reason"]
    assert story.champion() == 2

    back = project.darkroom("rollback", "shades", "--reason", "worse in the field")
    assert back.returncode == 0, back.stderr
    assert story.champion() == 1

    shutil.rmtree(story.data)
    shutil.move(clean, story.data)
    assert story.turn()["action"] == "nothing"  # what was taken back is not trained again

    pair = [
        subprocess.Popen(project.command(*story.words("--set", "train.epochs=31")), cwd=project.folder, stdout=subprocess.PIPE,
                         stderr=subprocess.DEVNULL, text=True)
        for _ in range(2)
    ]  # fmt: skip
    results = [answer(process.communicate(timeout=3600)[0]) for process in pair]
    assert [process.returncode for process in pair] == [0, 0]
    assert sorted(result["action"] for result in results) in (["train", "wait"], ["nothing", "train"])
    other = next(result for result in results if result["action"] != "train")
    assert other["message"].startswith(("left alone: ", "nothing to do: run "))
    assert seconds < 20
