"""The cache of a project that was moved or copied."""

import json
from pathlib import Path

import pytest

from pipelines import step_cache


def test_what_points_out_of_the_project_is_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    step_cache.CACHE.mkdir(parents=True)
    places = {"own": tmp_path / "runs/a/artifacts/train/images", "other": tmp_path.parent / "elsewhere/runs/a/artifacts/train/images"}
    for name, place in places.items():
        entry = {"images": {"uri": str(place)}, "count": 3}
        (step_cache.CACHE / f"{name}.json").write_text(json.dumps(entry), encoding="utf-8")
    assert step_cache.forget_elsewhere() == 1
    assert [path.name for path in step_cache.entries()] == ["own.json"]
    assert step_cache.forget_elsewhere() == 0
