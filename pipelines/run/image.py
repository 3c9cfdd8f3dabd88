"""The image in which the steps run: `make image` builds it, `darkroom run --runner docker` uses exactly that one.

What it holds is named by a hash in its label, so that code that has changed since is noticed, whatever the image is called.
"""

import argparse
import hashlib
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

from darkroom.system.errors import InputError
from darkroom.system.files import whole
from darkroom.versions.code import ROOT
from pipelines.exit_status import exit_status

RECORD = ROOT / "build" / "image"
_FOLDERS = ("pipelines", "components", "darkroom")


def code_hash(lock: str, root: Path = ROOT) -> str:
    """Hash of all that an image is made of, except its base and the settings, which a run passes itself.

    Args:
        lock: Name of the lock file whose packages are installed.
        root: The project's folder.
    """
    files = [path for folder in _FOLDERS for path in (root / folder).rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    digest = hashlib.sha256()
    for path in [*sorted(files), root / "Dockerfile", root / lock]:
        digest.update(f"{path.relative_to(root).as_posix()}\0".encode())
        digest.update(path.read_bytes() if path.is_file() else b"")
        digest.update(b"\0")
    return digest.hexdigest()


def recorded_image() -> str:
    """The id of the image that `make image` built last.

    Raises:
        InputError: None was built.
    """
    if not RECORD.is_file():
        raise InputError(f"there is no image to run the steps in ({RECORD} is missing): run `make image`, or set platform.image")
    return RECORD.read_text(encoding="utf-8").strip()


def build(base: str, lock: str, name: str, flags: str, root: Path = ROOT) -> str:
    """Builds the image and remembers its id.

    Args:
        base: The base image; empty for the Dockerfile's default.
        lock: Name of a lock file in the project's folder.
        name: What the image is called.
        flags: Further words for `docker build`, such as `--network host`. Where the environment names a certificate
            (`PIP_CERT`, `SSL_CERT_FILE`) or settings of pip (`PIP_CONFIG_FILE`), they are passed on as build secrets.
        root: The project's folder.

    Returns:
        The image's id: the digest of its configuration, and so of all its layers.

    Raises:
        InputError: There is no such lock, no client that can build it, or the build failed.
    """
    if not (root / lock).is_file():
        raise InputError(f"LOCK is {lock!r}: there is no such file in {root}; `make lock` writes requirements.lock")
    arguments = {"LOCK": lock, "COMMIT": _commit(root), "VERSION": _version(root), "CODE": code_hash(lock, root)}
    if base:
        arguments["BASE"] = base
    with tempfile.TemporaryDirectory() as folder:
        written = Path(folder) / "id"
        words = [word for key, value in arguments.items() for word in ("--build-arg", f"{key}={value}")]
        command = [_client(), "build", "--iidfile", str(written), "--tag", name, *words, *_secrets(), *shlex.split(flags), str(root)]
        done = subprocess.run(command, check=False, env={**os.environ, "DOCKER_BUILDKIT": "1"}, stdout=sys.stderr)
        if done.returncode != 0:
            raise InputError(f"`docker build` ended with status {done.returncode}: what it printed says why")
        image = written.read_text(encoding="utf-8").strip()
    with whole(RECORD) as draft:
        draft.write_text(f"{image}\n", encoding="utf-8")
    return image


def _secrets() -> list[str]:
    certificate = os.environ.get("PIP_CERT") or os.environ.get("SSL_CERT_FILE", "")
    files = {"ca_bundle": certificate, "pip_config": os.environ.get("PIP_CONFIG_FILE", "")}
    return [word for name, path in files.items() if Path(path).is_file() for word in ("--secret", f"id={name},src={path}")]


def _client() -> str:
    """A docker client that can use BuildKit: one with the buildx plugin, or one from before it was needed (23)."""
    folders = os.environ.get("PATH", "").split(os.pathsep)
    clients = list(dict.fromkeys(filter(None, (shutil.which("docker", path=folder) for folder in folders))))
    for client in clients:
        buildx = subprocess.run([client, "buildx", "version"], check=False, capture_output=True)
        version = subprocess.run(
            [client, "version", "--format", "{{.Client.Version}}"], check=False, capture_output=True, encoding="utf-8", errors="replace"
        )
        if buildx.returncode == 0 or 18 <= int(version.stdout.split(".")[0] or 0) < 23:
            return client
    found = f"found {', '.join(clients)}" if clients else "found none"
    raise InputError(f"no docker client can build the image ({found}): install Docker with its buildx plugin")


def _commit(root: Path) -> str:
    """The git commit, marked where something is changed since."""
    commit, changes = (
        subprocess.run(
            ["git", "-C", str(root), *words], check=False, capture_output=True, encoding="utf-8", errors="replace"
        ).stdout.strip()
        for words in (("rev-parse", "HEAD"), ("status", "--porcelain"))
    )
    return f"{commit}-dirty" if commit and changes else commit or "unknown"


def _version(root: Path) -> str:
    return str(tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"])


def main() -> int:
    """Builds the image as the words of the command line say, and prints its id."""
    parser = argparse.ArgumentParser(prog="python -m pipelines.run.image", description="Builds the image in which the steps run.")
    parser.add_argument("--base", default="", help="base image (default: the Dockerfile's)")
    parser.add_argument("--lock", default="requirements.lock", help="lock file with the packages")
    parser.add_argument("--name", default="darkroom", help="what the image is called")
    parser.add_argument("--flags", default="", help="further words for docker build, in one string")
    options = parser.parse_args()
    return exit_status(lambda: print(build(options.base, options.lock, options.name, options.flags)))


if __name__ == "__main__":
    sys.exit(main())
