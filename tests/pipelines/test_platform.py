"""The settings of the platform: bounds, and messages that name the setting."""

from pathlib import Path
from typing import Any

import pytest

from darkroom.system.errors import InputError
from pipelines.params import read_settings
from pipelines.plan import make_plan
from pipelines.platform import Toleration, is_digest, read_platform
from tests.pipelines.conftest import ROOT, shapes

DIGEST = "sha256:" + "0a" * 32


def test_a_section_becomes_settings() -> None:
    platform = read_platform(
        {
            "image": f"registry.example.org/team/darkroom@{DIGEST}",
            "memory_limit": "8Gi",
            "accelerator_count": 2.0,
            "node_selector": {"cloud.example.org/pool": "training"},
            "tolerations": [{"key": "gpu", "operator": "Exists", "effect": "NoSchedule"}],
            "secrets": {"mlflow": {"password": "MLFLOW_TRACKING_PASSWORD"}},
            "secret_files": {"git-key": "/etc/git-key"},
        }
    )
    assert (platform.memory_limit, platform.accelerator_count, platform.cpu_limit) == ("8Gi", 2, "")
    assert platform.tolerations == [Toleration(key="gpu", operator="Exists", effect="NoSchedule")]
    assert platform.secrets == {"mlflow": {"password": "MLFLOW_TRACKING_PASSWORD"}}
    with pytest.raises(ValueError, match="frozen"):
        platform.image = "other"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"memory_limit": "8 GB"}, r"platform\.memory_limit is '8 GB': .* \(Memory above which a step is killed"),
        ({"memory_limit": 8}, r"platform\.memory_limit is '8': string should match pattern .* \(Memory above which a step is killed"),
        ({"cpu_request": "-1"}, r"platform\.cpu_request is '-1'"),
        ({"cpu_limit": -0.5}, r"platform\.cpu_limit is '-0\.5': string should match pattern"),
        ({"cpu_limit": True}, r"platform\.cpu_limit is True"),
        ({"num_retries": 21}, r"platform\.num_retries is 21"),
        ({"volume": "My_Claim"}, r"platform\.volume is 'My_Claim'"),
        ({"mount_path": "relative"}, r"platform\.mount_path is 'relative'"),
        ({"checkpoints": "bucket/prefix"}, r"platform\.checkpoints is 'bucket/prefix': .* \(Object storage .* such as s3://bucket/prefix"),
        ({"checkpoints": "s3://me:hunter2@bucket"}, r"platform\.checkpoints is "),
        ({"endpoint": "kubeflow.example.org"}, r"platform\.endpoint is 'kubeflow\.example\.org'.*https://"),
        ({"secrets": {"mlflow": {"password": "not a name"}}}, r"platform\.secrets"),
        ({"tolerations": [{"effect": "Sometimes"}]}, r"platform\.tolerations\.0 is 'Sometimes'"),
        ({"tolerations": [{"taint": "gpu"}]}, r"platform\.tolerations\.0\.taint is no setting: see the comment"),
        ({"shared_memory_gb": 2}, r"platform\.shared_memory_gb is no setting: did you mean platform\.shared_memory_gib\?"),
        ({"image": "darkroom@sha256:12"}, r"platform\.image is 'darkroom@sha256:12': what follows the @ must be sha256: and 64"),
    ],
)
def test_a_wrong_value_is_told_with_the_setting(values: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_platform(values)


@pytest.mark.parametrize(("text", "kept"), [("2", "2"), ("0.5", "0.5"), ("2.0", "2.0"), ("500m", "500m"), ("'2'", "2"), ("''", "")])
def test_cpus_may_be_given_as_the_number_that_yaml_reads(text: str, kept: str) -> None:
    _, platform = read_settings([f"platform.cpu_limit={text}"], ROOT / "params.yaml")
    assert platform.cpu_limit == kept


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (f"darkroom@{DIGEST}", True),
        (f"localhost:5000/team/darkroom@{DIGEST}", True),
        (f"darkroom:1.0@{DIGEST}", True),
        ("darkroom:latest", False),
        ("darkroom", False),
        (DIGEST, False),
        (f"darkroom@{DIGEST[:-1]}", False),
        (f"darkroom@{DIGEST.upper()}", False),
    ],
)
def test_only_a_digest_names_an_image_by_content(image: str, expected: bool) -> None:
    assert is_digest(image) is expected


def test_a_plan_reads_the_platform_apart_from_the_steps_settings(tmp_path: Path) -> None:
    data = shapes(tmp_path / "shapes", num_images=1)
    default = make_plan(data, [], ROOT / "params.yaml")
    changed = make_plan(data, ["platform.image=darkroom:1.0", "platform.shared_memory_gib=0.5"], ROOT / "params.yaml")
    assert (changed.platform.image, changed.platform.shared_memory_gib) == ("darkroom:1.0", 0.5)
    assert changed.params == default.params
    assert "platform" not in changed.params
    with pytest.raises(InputError, match=r"platform\.timeout_s is 0"):
        make_plan(data, ["platform.timeout_s=0"], ROOT / "params.yaml")
