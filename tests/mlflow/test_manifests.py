"""The compose file and the Kubernetes manifests: valid by the tools that read them, and hardened as they say."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from tests.mlflow.serving import serve
from tests.servers import ROOT, clean_environment

FOLDER = ROOT / "mlflow"
KUBERNETES = FOLDER / "kubernetes"
OVERLAYS = ("small", "production")
SECRET_NAMES = (*serve.SECRETS, "AWS_ACCESS_KEY_ID")


def compose() -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((FOLDER / "compose.yaml").read_text())
    return content


def compose_tools() -> list[str]:
    """The command of Docker's compose plug-in, or of Debian's docker-compose."""
    if shutil.which("docker") and subprocess.run(["docker", "compose", "version"], capture_output=True, check=False).returncode == 0:
        return ["docker", "compose"]
    return ["docker-compose"] if shutil.which("docker-compose") else []


def read_compose(folder: Path, example: str) -> subprocess.CompletedProcess[str]:
    """Lets the tool read the compose file with a file of settings."""
    tool = compose_tools()
    if not tool:
        pytest.skip("there is no docker compose: apt-get install docker-compose")
    (folder / ".env").write_text(example)
    command = [*tool, "--file", str(FOLDER / "compose.yaml"), "--env-file", str(folder / ".env"), "config"]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=clean_environment(), cwd=folder)


def test_the_compose_file_is_valid_once_every_secret_is_set(tmp_path: Path) -> None:
    example = re.sub(r"^([A-Z_]+)=$", r"\1=0123456789abcdef", (FOLDER / ".env.example").read_text(), flags=re.MULTILINE)
    done = read_compose(tmp_path, example)
    assert done.returncode == 0, done.stderr
    assert set(yaml.safe_load(done.stdout)["services"]) == {"postgres", "store", "mlflow"}


def test_the_example_of_settings_starts_nothing(tmp_path: Path) -> None:
    done = read_compose(tmp_path, (FOLDER / ".env.example").read_text())
    assert done.returncode != 0
    assert "see .env.example" in done.stderr


def test_the_example_has_every_secret_and_no_value_for_one() -> None:
    lines = [line for line in (FOLDER / ".env.example").read_text().split("\n") if line and not line.startswith("#")]
    values = dict(line.split("=", 1) for line in lines)
    assert {name: values[name] for name in SECRET_NAMES} == dict.fromkeys(SECRET_NAMES, "")
    text = (FOLDER / "compose.yaml").read_text()
    asked_for = set(re.findall(r"\$\{([A-Z_]+)", text))
    assert asked_for == set(values)
    for name in SECRET_NAMES:
        assert set(re.findall(rf"\$\{{{name}(.)", text)) == {":"} and f"${{{name}:?" in text and f"${{{name}:-" not in text


@pytest.mark.parametrize("name", ["postgres", "store", "mlflow"])
def test_a_service_of_the_compose_file_is_looked_after(name: str) -> None:
    service = compose()["services"][name]
    assert service["restart"] == "unless-stopped"
    assert service["healthcheck"]["test"][0] == "CMD"
    assert {"cpus", "mem_limit", "pids_limit"} <= set(service)
    assert re.search(r":v?\d+\.\d+[^:]*$", service["image"]), "an exact version"
    assert "no-new-privileges:true" in service["security_opt"]
    published = service.get("ports", [])
    assert published == (["${MLFLOW_BIND:-127.0.0.1}:${MLFLOW_PORT:-5000}:5000"] if name == "mlflow" else [])


def test_what_must_stay_is_on_named_volumes() -> None:
    content = compose()
    mounted = {name: service.get("volumes", []) for name, service in content["services"].items()}
    assert mounted == {"postgres": ["database:/var/lib/postgresql/data"], "store": ["artifacts:/data"], "mlflow": []}
    assert set(content["volumes"]) == {"database", "artifacts"}


def test_compose_and_kubernetes_run_the_same_versions() -> None:
    images = {service["image"] for service in compose()["services"].values()}
    texts = "\n".join(path.read_text() for path in sorted(KUBERNETES.rglob("*.yaml")))
    requirement = re.search(r"mlflow\[auth\]==(\S+)", (FOLDER / "requirements.in").read_text())
    assert requirement is not None
    assert f"darkroom-mlflow:{requirement[1]}" in images and texts.count(f"newTag: {requirement[1]}") == len(OVERLAYS)
    assert all(f"image: {image}" in texts for image in images if not image.startswith("darkroom-mlflow"))


def test_the_servers_packages_are_locked_at_the_clients_version() -> None:
    entries = re.findall(
        r"^([a-z0-9-]+)==(\S+) \\\n((?:    --hash=sha256:\S+(?: \\)?\n)+)", (FOLDER / "requirements.txt").read_text(), re.MULTILINE
    )
    locked = {name: version for name, version, _ in entries}
    lines = [line for line in (FOLDER / "requirements.txt").read_text().split("\n") if line and not line.startswith((" ", "#"))]
    assert len(lines) == len(locked) and {"mlflow", "boto3", "pg8000"} <= set(locked)
    (ours,) = re.findall(r'"mlflow==([\d.]+)\*"', (ROOT / "pyproject.toml").read_text())
    assert locked["mlflow"].startswith(ours)


def rendered(overlay: str) -> list[dict[str, Any]]:
    """What an overlay applies."""
    if not shutil.which("kubectl"):
        pytest.skip("there is no kubectl, which renders the overlays")
    done = subprocess.run(["kubectl", "kustomize", str(KUBERNETES / overlay)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == "", "kustomize warns"
    return [document for document in yaml.safe_load_all(done.stdout) if document]


def pods(documents: list[dict[str, Any]]) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Each thing that makes pods, with the pod's specification."""
    for document in documents:
        if document["kind"] in ("Deployment", "StatefulSet"):
            yield document, document["spec"]["template"]["spec"]
        if document["kind"] == "CronJob":
            yield document, document["spec"]["jobTemplate"]["spec"]["template"]["spec"]


@pytest.mark.parametrize("overlay", OVERLAYS)
@pytest.mark.parametrize("kubernetes", ["1.30", "1.36"])
def test_the_manifests_fit_kubernetes_schema(overlay: str, kubernetes: str) -> None:
    documents = rendered(overlay)
    assert len(documents) == {"small": 14, "production": 18}[overlay]
    for document in documents:
        kubernetes_validate.validate(document, kubernetes, strict=True)


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_pod_is_locked_down(overlay: str) -> None:
    found = list(pods(rendered(overlay)))
    assert {owner["metadata"]["name"] for owner, _ in found} >= {"mlflow", "postgres", "store"}
    for owner, pod in found:
        context = pod["securityContext"]
        assert context["runAsNonRoot"] is True and context["runAsUser"] > 0, owner["metadata"]["name"]
        assert context["seccompProfile"] == {"type": "RuntimeDefault"}
        assert (pod["serviceAccountName"], pod["automountServiceAccountToken"]) == ("mlflow", False)
        for container in pod["containers"]:
            own = container["securityContext"]
            assert own == {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
            assert set(container["resources"]["limits"]) == set(container["resources"]["requests"]) == {"cpu", "memory"}
            assert re.search(r":v?\d+\.\d+[^:]*$", container["image"]), container["image"]
            if owner["kind"] != "CronJob":
                assert {"readinessProbe", "livenessProbe"} <= set(container)


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_secrets_are_named_and_never_written(overlay: str) -> None:
    documents = rendered(overlay)
    assert not [document for document in documents if document["kind"] == "Secret"]
    assert not [document for document in documents if "Role" in document["kind"]], "no pod may ask Kubernetes for anything"
    by_reference = set()
    for _, pod in pods(documents):
        for variable in pod["containers"][0]["env"]:
            if variable["name"] in SECRET_NAMES or variable["name"].startswith("ROOT_"):
                assert variable["valueFrom"]["secretKeyRef"]["name"] == "mlflow-secrets"
                by_reference.add(variable["valueFrom"]["secretKeyRef"]["key"])
    assert by_reference == set(SECRET_NAMES)
    settings = next(document for document in documents if document["kind"] == "ConfigMap")["data"]
    assert not set(settings) & set(SECRET_NAMES)
    (server,) = [pod for owner, pod in pods(documents) if owner["metadata"]["name"] == "mlflow"]
    given = set(settings) | {variable["name"] for variable in server["containers"][0]["env"]}
    assert given >= {*serve.NAMES, *serve.SECRETS}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_network_is_closed_but_for_what_is_needed(overlay: str) -> None:
    policies = {document["metadata"]["name"]: document["spec"] for document in rendered(overlay) if document["kind"] == "NetworkPolicy"}
    assert policies["nothing"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    opened = {(name, port["port"]) for name, spec in policies.items() for rule in spec.get("ingress", []) for port in rule["ports"]}
    assert opened == {("clients-to-mlflow", 5000), ("postgres-from-mlflow", 5432), ("store-from-mlflow", 9000)}


def test_production_survives_the_loss_of_a_node_and_is_backed_up() -> None:
    documents = {(document["kind"], document["metadata"]["name"]): document for document in rendered("production")}
    replicas = documents["Deployment", "mlflow"]["spec"]["replicas"]
    assert replicas > documents["PodDisruptionBudget", "mlflow"]["spec"]["minAvailable"] >= 1
    (container,) = documents["CronJob", "backup"]["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    assert container["command"] == ["python", "/app/archive.py", "backup", "/backups", "--keep", "7"]
    assert container["image"] == documents["Deployment", "mlflow"]["spec"]["template"]["spec"]["containers"][0]["image"]
