"""A process takes the cores that it was given, and its threads spin but shortly while they wait."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from darkroom.system import cores
from darkroom.system.cores import cpu_quota, num_cores, share_cores


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("files", "membership", "expected"),
    [
        ({"cpu.max": "150000 100000"}, "0::/", 1.5),
        ({"cpu.max": "max 100000"}, "0::/", 1e6),
        ({"pod/cpu.max": "400000 100000", "pod/step/cpu.max": "max 100000"}, "0::/pod/step", 4),
        ({"pod/cpu.max": "400000 100000", "pod/step/cpu.max": "50000 100000"}, "0::/pod/step", 0.5),
        ({"cpu/cpu.cfs_quota_us": "200000", "cpu/cpu.cfs_period_us": "100000"}, "4:cpu,cpuacct:/docker/0a\n3:cpuset:/", 2),
        ({"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, "4:cpu,cpuacct:/\n0::/", 1e6),
        ({"cpu/a/cpu.cfs_quota_us": "100000", "cpu/a/cpu.cfs_period_us": "100000"}, "4:cpu:/a:b\n", 1e6),
        ({}, "4:cpu:/\n0::/", 1e6),
    ],
    ids=["v2", "v2 without limit", "v2 above", "v2 nested", "v1 in a container", "v1 without limit", "v1 of others", "none"],
)
def test_the_quota_is_that_of_the_control_groups(tmp_path: Path, files: dict[str, str], membership: str, expected: float) -> None:
    for name, text in files.items():
        write(tmp_path / "groups" / name, f"{text}\n")
    assert cpu_quota(tmp_path / "groups", write(tmp_path / "cgroup", membership)) == expected


def test_without_control_groups_there_is_no_quota(tmp_path: Path) -> None:
    assert cpu_quota(tmp_path, tmp_path / "cgroup") == 1e6


@pytest.mark.parametrize(
    ("quota", "wanted", "expected"), [(1e6, "", 2), (1.2, "", 2), (0.5, "", 1), (1e6, "1,2", 1), (1e6, "8", 2), (1e6, "0", 1)]
)
def test_the_cores_are_the_least_of_what_limits_them(monkeypatch: pytest.MonkeyPatch, quota: float, wanted: str, expected: int) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0, 3}, raising=False)
    monkeypatch.setattr(cores, "cpu_quota", lambda: quota)
    monkeypatch.setenv("OMP_NUM_THREADS", wanted)
    assert num_cores() == expected


@pytest.mark.parametrize("own", [{"OMP_WAIT_POLICY": "active"}, {"GOMP_SPINCOUNT": "9"}])
def test_what_the_user_set_stays(monkeypatch: pytest.MonkeyPatch, own: dict[str, str]) -> None:
    for name in ("OMP_NUM_THREADS", "OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "OPENBLAS_NUM_THREADS"):
        monkeypatch.setenv(name, "")  # so that it is as before after the test
        monkeypatch.delenv(name)
    wanted = {"OMP_NUM_THREADS": "7", "OPENBLAS_NUM_THREADS": "3"} | own
    for name, value in wanted.items():
        monkeypatch.setenv(name, value)
    share_cores()
    assert {name: value for name, value in os.environ.items() if name.startswith(("OMP_", "GOMP_", "OPENBLAS_"))} == wanted


def test_openmp_is_told_before_it_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    code = (
        "import sys, darkroom.runtime.step as step, components.__main__; print(sorted({'torch', 'sklearn'} & set(sys.modules))); "
        "step.share_cores(); import torch; print(torch.get_num_threads())"
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("OMP_", "GOMP_"))} | {
        "OMP_DISPLAY_ENV": "verbose"
    }
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    loaded, threads = done.stdout.splitlines()
    assert ast.literal_eval(loaded) == []
    assert int(threads) == num_cores()
    assert "GOMP_SPINCOUNT = '3000'" in done.stderr


@pytest.mark.parametrize(("own", "expected"), [("", 1), ("2", 2)])
def test_openblas_has_one_thread_whether_numpy_is_loaded_before_or_scipy_after(own: str, expected: int) -> None:
    code = (
        "import numpy, threadpoolctl; from darkroom.system.cores import share_cores; share_cores(); import scipy.linalg; "
        "print([pool['num_threads'] for pool in threadpoolctl.threadpool_info() if pool['internal_api'] == 'openblas'])"
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("OMP_", "OPENBLAS_"))}
    environment |= {"OPENBLAS_NUM_THREADS": own} if own else {}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert ast.literal_eval(done.stdout) == [min(expected, os.cpu_count() or 1)] * 2
