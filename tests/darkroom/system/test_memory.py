"""The memory that is left is the least of the machine's and of what the control groups leave, of which cached files can be handed back."""

import math
from pathlib import Path

import pytest

from darkroom.system import memory
from darkroom.system.memory import available_memory, left_in_groups


def group(folder: Path, version: int, limit: str, used: int, cache: int = 0) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    names = ("memory.max", "memory.current", "inactive_file") if version == 2 else (
        "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file",
    )  # fmt: skip
    (folder / names[0]).write_text(f"{limit}\n")
    (folder / names[1]).write_text(f"{used}\n")
    (folder / "memory.stat").write_text(f"anon 17\n{names[2]} {cache}\nactive_file 3\n")


@pytest.mark.parametrize(
    ("groups", "membership", "expected"),
    [
        ({"": (2, "1000", 400)}, "0::/", 600),
        ({"": (2, "1000", 400, 150)}, "0::/", 750),
        ({"": (2, "max", 400)}, "0::/", math.inf),
        ({"": (2, "1000", 1200)}, "0::/", 0),
        ({"pod": (2, "1000", 700), "pod/step": (2, "500", 100)}, "0::/pod/step", 300),
        ({"memory": (1, "1000", 400, 100)}, "5:memory:/docker/0a\n3:cpuset:/", 700),
        ({"memory": (1, "1000", 400)}, "5:cpu:/", math.inf),
        ({}, "0::/", math.inf),
    ],
    ids=["v2", "v2 with cached files", "v2 without limit", "v2 above its limit", "v2 nested", "v1 in a container", "v1 of others", "none"],
)
def test_the_control_groups_leave_what_is_not_used(
    tmp_path: Path, groups: dict[str, tuple[int, str, int]], membership: str, expected: float
) -> None:
    for name, values in groups.items():
        group(tmp_path / "groups" / name, *values)
    (tmp_path / "cgroup").write_text(f"{membership}\n")
    assert left_in_groups(tmp_path / "groups", tmp_path / "cgroup") == expected


def test_the_least_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory.psutil, "virtual_memory", lambda: type("Memory", (), {"available": 10}))
    for left, expected in ((9.0, 9), (math.inf, 10)):
        monkeypatch.setattr(memory, "left_in_groups", lambda left=left: left)
        assert available_memory() == expected
