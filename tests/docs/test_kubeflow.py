"""What docs/kubeflow.md tells people to type: parsed by the program, made by kubectl where it is there, held against schemas."""

import os
import re
import shlex
import shutil
import subprocess
from typing import Any

import kubernetes_validate
import pytest
import yaml
from typer.main import get_command

from darkroom.versions.repository import parse_address
from pipelines.cli import app
from pipelines.platform import PlatformConfig, read_platform
from pipelines.submit.compile import check_image, notes
from tests.pipelines.conftest import ROOT

TEXT = (ROOT / "docs" / "kubeflow.md").read_text()
COMMANDS = "\n".join(re.findall(r"^```sh\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)).replace("\\\n", " ").split("\n")
MANIFESTS = [yaml.safe_load(block) for block in re.findall(r"^```yaml\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)]


@pytest.fixture
def platform() -> PlatformConfig:
    (section,) = [manifest["platform"] for manifest in MANIFESTS if "platform" in manifest]
    return read_platform(section)


@pytest.mark.parametrize("line", [line for line in COMMANDS if line.startswith("darkroom ")])
def test_the_program_takes_every_command_on_the_page(line: str) -> None:
    _, *words = shlex.split(line, comments=True)
    command: Any = get_command(app)
    while hasattr(command, "commands"):
        command = command.commands[words.pop(0)]
    context = command.make_context(command.name, words)  # a wrong option or argument fails here
    if address := context.params.get("data") or context.params.get("source"):
        assert parse_address(address).revision == "v1"


def test_the_settings_on_the_page_are_complete(platform: PlatformConfig) -> None:
    check_image(platform)
    assert notes(platform) == []
    assert (platform.volume, platform.namespace) == ("darkroom", "team")


def test_the_claim_is_what_kubernetes_takes(platform: PlatformConfig) -> None:
    (claim,) = [manifest for manifest in MANIFESTS if "kind" in manifest]
    kubernetes_validate.validate(claim, "1.30", strict=True)
    assert (claim["metadata"]["name"], claim["metadata"]["namespace"]) == (platform.volume, platform.namespace)


def test_every_secret_that_the_settings_name_is_made_with_its_keys(platform: PlatformConfig) -> None:
    if not shutil.which("kubectl"):
        pytest.skip("there is no kubectl")
    made: dict[tuple[str, str], set[str]] = {}
    for line in [line for line in COMMANDS if " create secret " in line or " create configmap " in line]:
        environment = {"PATH": os.environ["PATH"], **dict.fromkeys(re.findall(r"\$([A-Z_]+)", line), "hunter2")}
        command = f"{line} --dry-run=client --output yaml"
        done = subprocess.run(["sh", "-euc", command], check=True, capture_output=True, text=True, env=environment)
        thing = yaml.safe_load(done.stdout)
        assert thing["metadata"]["namespace"] == platform.namespace
        made[thing["kind"], thing["metadata"]["name"]] = set(thing["data"])
    needed = {("Secret", name): set(keys) for name, keys in platform.secrets.items()}
    needed |= {("ConfigMap", name): set(keys) for name, keys in platform.config_maps.items()}
    assert {name: keys for name, keys in made.items() if name in needed} == needed
    assert {name for _, name in set(made) - set(needed)} == set(platform.image_pull_secrets)


def test_the_page_and_the_program_say_the_same_when_it_fails() -> None:
    sources = [path for floor in ("darkroom", "components", "pipelines") for path in (ROOT / floor).rglob("*.py")]
    code = re.sub(r'"\s*\n\s*f?"', "", "\n".join(path.read_text() for path in sources))  # sentences that span lines
    rows = re.findall(r"^\| `([^`]+)` \|", TEXT.split("## When it fails")[1], re.MULTILINE)
    from_kubernetes = {"ImagePullBackOff", "OOMKilled"}
    pieces = [piece.strip(" ,") for row in rows if row not in from_kubernetes for piece in row.split("...")]
    assert len(pieces) >= 12
    assert [piece for piece in pieces if len(piece) > 5 and piece not in code] == []


def test_every_variable_on_the_page_is_one_that_is_read() -> None:
    named = set(re.findall(r"\b(?:DARKROOM|GIT|KF)_[A-Z_0-9]+\b", TEXT)) - {"GIT_TOKEN"}
    code = "\n".join(path.read_text() for folder in ("darkroom", "components", "pipelines") for path in (ROOT / folder).rglob("*.py"))
    import kfp.client

    assert {name for name in named if name not in code and name not in vars(kfp.client.client).values()} == set()
