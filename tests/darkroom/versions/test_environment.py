import os
import sys
from pathlib import Path

import pytest

from darkroom.tracking.tags import DEVICE, PACKAGES, PYTHON, TORCH
from darkroom.versions.environment import environment_tags


def test_a_run_is_told_what_it_runs_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DARKROOM_PLANTED", "hunter2-planted")
    tags = environment_tags()
    assert tags[PYTHON] == ".".join(map(str, sys.version_info[:3]))
    assert tags[TORCH].split("+")[0].count(".") == 2
    assert len(tags[PACKAGES]) == 12
    assert "hunter2-planted" not in str(tags)


def test_the_gpus_that_a_step_would_find_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\necho 'NVIDIA H100'\necho 'NVIDIA H100'\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert environment_tags()[DEVICE] == "2 x NVIDIA H100"
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert "threads" in environment_tags()[DEVICE]


def test_it_is_told_without_importing_torch(loaded_modules: dict[str, set[str]]) -> None:
    assert "darkroom.versions.environment" in loaded_modules["environment"]
    assert "torch" not in loaded_modules["environment"]
