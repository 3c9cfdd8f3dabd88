"""The image of the components, built for real on a Debian base."""

import json
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from docker import DockerClient

from darkroom.tracking.tags import CODE_LABEL
from pipelines.run.image import RECORD, build, code_hash, recorded_image
from tests.containers.conftest import remembered, root_of
from tests.pipelines.conftest import ROOT, shapes

pytestmark = pytest.mark.slow

COMPILERS = ("cc", "gcc", "g++", "c++", "clang", "make", "ld", "as", "nvcc", "rustc", "go", "pip", "pip3", "uv", "git")
CACHES = ("/root/.cache", "/var/cache/apt/archives", "/var/lib/apt/lists", "/tmp", "/opt/pip")


def shell(engine: DockerClient, image: str, command: str, **options: Any) -> str:
    output: bytes = engine.containers.run(image, ["sh", "-c", command], remove=True, network_mode="none", **options)
    return output.decode()


def test_it_says_what_it_was_made_from(engine: DockerClient, image: str) -> None:
    labels = engine.images.get(image).labels
    commit = subprocess.run(["git", "-C", str(ROOT), "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
    assert labels["org.opencontainers.image.revision"].removesuffix("-dirty") == commit
    assert labels["org.opencontainers.image.version"] == "0.1.0"
    assert labels[CODE_LABEL] == code_hash("requirements.lock")


def test_it_holds_no_compiler_no_cache_and_nothing_of_the_development(engine: DockerClient, image: str) -> None:
    assert shell(engine, image, f"which {' '.join(COMPILERS)} || true") == ""
    assert shell(engine, image, f"find {' '.join(CACHES)} -type f 2>/dev/null || true", user="0") == ""
    assert shell(engine, image, "find / -xdev -name tests -path '/app/*' -o -name .git -o -name data.dvc", user="0") == ""
    assert "ModuleNotFoundError" in shell(engine, image, "python -c 'import pytest' 2>&1 || true")


def test_it_holds_no_secret_of_its_making(
    engine: DockerClient, base: str, image: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "pip.conf"
    config.write_text("[global]\n# token-that-nobody-may-see\n")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(config))
    with remembered():
        built = build(base, "requirements.lock", "darkroom-test", "--network host")
    history = json.dumps(engine.api.history(built)) + json.dumps(engine.images.get(built).attrs)
    assert "token-that-nobody-may-see" not in history
    assert str(config) not in history
    assert shell(engine, built, "ls -A /run/secrets 2>/dev/null; find / -xdev -name pip.conf", user="0") == ""


def test_it_runs_as_nobody_in_particular(engine: DockerClient, image: str) -> None:
    assert engine.images.get(image).attrs["Config"]["User"] == "10001:10001"
    assert shell(engine, image, "id -u").strip() == "10001"
    for user in ("0", "12345", "12345:0"):
        assert shell(engine, image, "python -c 'import darkroom.runtime.step, pipelines.run.run'", user=user) == ""


def test_a_step_by_hand_on_a_read_only_system_as_any_user_without_a_network(image: str, tmp_path: Path) -> None:
    data = shapes(tmp_path / "data" / "shapes")
    (tmp_path / "data").chmod(0o777)
    limits = ["--read-only", "--user", "12345", "--network", "none", "--volume", f"{data.parent}:/data"]

    def by_hand(*words: str) -> None:
        done = subprocess.run(
            ["docker", "run", "--rm", *limits, image, "python", "-m", "components", *words], check=False, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr

    by_hand("ingest", "--data", "/data/shapes", "--images", "/data/images", "--manifest", "/data/manifest")
    by_hand("clean", "--images", "/data/images", "--manifest", "/data/manifest", "--cleaned", "/data/cleaned", "--issues", "/data/issues",
            "--metrics", "/data/metrics.json")  # fmt: skip
    assert json.loads((data.parent / "metrics.json").read_text())["num_kept"] == 72
    assert (data.parent / "cleaned").stat().st_uid == 12345
    by_hand("split", "--cleaned", "/data/cleaned", "--splits", "/data/splits")
    examples = [word for name in ("augmented-images", "examples", "policy") for word in (f"--{name}", f"/data/{name}")]
    by_hand("augment", "--images", "/data/images", "--splits", "/data/splits", *examples, "--contact-sheet", "/data/sheet")
    quick = ["--set", "train.epochs=1", "--set", "train.side_px=16"]
    limits += ["--tmpfs", "/tmp"]  # torch wants a place for temporary files
    outputs = ["--model", "/data/model", "--history", "/data/history", "--learning-curves", "/data/learning-curves"]
    by_hand("train", "--images", "/data/images", *examples, *outputs, *quick)
    assert (data.parent / "model" / "model.onnx").is_file()


def test_a_change_of_the_code_rebuilds_in_seconds_and_leaves_the_layers_below(
    engine: DockerClient, base: str, image: str, tmp_path: Path
) -> None:
    copy = root_of(tmp_path)
    changing = copy / "darkroom" / "system" / "errors.py"
    changing.write_text(f"{changing.read_text()}\nCHANGED = True\n")
    with remembered():
        start = time.monotonic()
        changed = build(base, "requirements.lock", "darkroom-test-changed", "--network host", copy)
        seconds = time.monotonic() - start
        assert (RECORD.read_text().strip(), recorded_image()) == (changed, changed)
    assert seconds < 30
    layers, changed_layers = (engine.images.get(name).attrs["RootFS"]["Layers"] for name in (image, changed))
    assert layers[:-1] == changed_layers[:-1]
    assert layers[-1] != changed_layers[-1]
    assert "True" in shell(engine, changed, "python -c 'from darkroom.system.errors import CHANGED; print(CHANGED)'")
    engine.images.remove("darkroom-test-changed")
