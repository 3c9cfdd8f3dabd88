"""A Docker engine, a base image made by debootstrap, and the image of this code: each made once, and only where it is asked for."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from docker import DockerClient, from_env
from docker.errors import ImageNotFound
from filelock import FileLock

from pipelines.run.containers import ENGINE_ERRORS
from pipelines.run.image import RECORD, build

BASE = "darkroom-test-base"
PACKAGES = "python3,python3-venv,ca-certificates"
LEFT_BY_DEBOOTSTRAP = ("var/cache/apt", "var/lib/apt/lists", "var/log", "dev")


@pytest.fixture(scope="session")
def engine() -> Iterator[DockerClient]:
    try:
        client = from_env()
        client.ping()
    except ENGINE_ERRORS as error:
        pytest.skip(f"no Docker engine answers: {error}")
    yield client
    client.close()


@pytest.fixture(scope="session")
def base(engine: DockerClient, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A small Debian bookworm with Python, kept in the engine from one session to the next."""
    with one_at_a_time(tmp_path_factory):
        try:
            engine.images.get(BASE)
        except ImageNotFound:
            if shutil.which("debootstrap") is None or os.getuid() != 0:
                pytest.skip("the base image is made by debootstrap, as root: apt-get install debootstrap")
            folder = tmp_path_factory.mktemp("base")
            command = ["debootstrap", "--variant=minbase", f"--include={PACKAGES}", "bookworm", str(folder)]
            subprocess.run(command, check=True, capture_output=True)
            for place in LEFT_BY_DEBOOTSTRAP:
                shutil.rmtree(folder / place)
                (folder / place).mkdir()
            with subprocess.Popen(["tar", "-C", str(folder), "-c", "."], stdout=subprocess.PIPE) as tar:
                subprocess.run(["docker", "import", "-", BASE], check=True, stdin=tar.stdout, capture_output=True)
            shutil.rmtree(folder)
    return BASE


@pytest.fixture(scope="session")
def image(base: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The id of the image, built as `make image` builds it; what `make image` built before stays remembered."""
    with one_at_a_time(tmp_path_factory), remembered():
        return build(base, "requirements.lock", "darkroom-test", "--network host")


@contextmanager
def one_at_a_time(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    root = tmp_path_factory.getbasetemp()
    with FileLock((root.parent if "PYTEST_XDIST_WORKER" in os.environ else root) / "docker.lock"):
        yield


@contextmanager
def remembered() -> Iterator[None]:
    before = RECORD.read_text() if RECORD.exists() else None
    try:
        yield
    finally:
        if before is None:
            RECORD.unlink(missing_ok=True)
        else:
            RECORD.write_text(before)


def root_of(copy: Path) -> Path:
    """A copy of what the image is made of, to change and build from."""
    here = Path(__file__).parents[2]
    held = ("pipelines", "components", "darkroom")
    for name in held:
        shutil.copytree(here / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("Dockerfile", ".dockerignore", "params.yaml", "pyproject.toml", "requirements.lock"):
        shutil.copyfile(here / name, copy / name)
    return copy
