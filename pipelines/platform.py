"""Where and how the steps run, from the `platform` section of `params.yaml`: image, resources, secrets, volume, Kubeflow.

Nothing here changes what a step computes, so nothing here is part of a step's arguments or of its place in a cache.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator
from pydantic_core import PydanticCustomError

from darkroom.runtime.checkpoints import ADDRESS
from darkroom.system.config import StepConfig, parse

SECTION = "platform"


def _text_of(value: Any) -> Any:
    """YAML reads 2 and 0.5 as numbers; Kubernetes wants texts."""
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


Cpu = Annotated[str, Field(pattern=r"^([0-9]+(\.[0-9]+)?|[1-9][0-9]*m)?$"), BeforeValidator(_text_of)]
Memory = Annotated[str, Field(pattern=r"^([1-9][0-9]*[EPTGMK]i?)?$"), BeforeValidator(_text_of)]
ResourceName = Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$", max_length=253)]
OptionalName = Annotated[str, Field(pattern=r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?)?$", max_length=253)]
Key = Annotated[str, Field(pattern=r"^[-._a-zA-Z0-9]+$", max_length=253)]
Label = Annotated[str, Field(pattern=r"^[-._/a-zA-Z0-9]+$", max_length=317)]
Variable = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
MountPath = Annotated[str, Field(pattern=r"^/[^:\s]+$")]
References = dict[ResourceName, dict[Key, Variable]]


class Toleration(BaseModel):
    """A taint of nodes that the steps tolerate."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: str = Field("", max_length=253, description="The taint's key; empty with operator Exists for every taint.")
    operator: Literal["Equal", "Exists"] = Field("Equal", description="Whether the taint's value counts (Equal) or not (Exists).")
    value: str = Field("", max_length=253, description="The taint's value, for Equal.")
    effect: Literal["", "NoSchedule", "PreferNoSchedule", "NoExecute"] = Field("", description="The taint's effect; empty for all.")


class PlatformConfig(StepConfig):
    """Where and how the steps run, in containers (image, memory, accelerators) and on Kubeflow (all of it). It changes no result."""

    image: str = Field("", pattern=r"^\S*$", max_length=500, description="The image in which the steps run, by digest: name@sha256:....")
    allow_tag: bool = Field(False, description="Whether an image without a digest is accepted, though caches can't tell its content.")
    cpu_request: Cpu = Field("1", description="CPUs that each step is sure of, such as 2 or 500m; empty: none.")
    cpu_limit: Cpu = Field("", description="CPUs that a step may use at most; empty: no limit.")
    memory_request: Memory = Field("4Gi", description="Memory that each step is sure of, such as 4Gi; empty: none.")
    memory_limit: Memory = Field("", description="Memory above which a step is killed, shared memory included; empty: no limit.")
    accelerator_type: Annotated[str, Field(pattern=r"^[A-Za-z0-9][-A-Za-z0-9_./]*$", max_length=253)] = Field(
        "nvidia.com/gpu", description="The kind of accelerator, as the cluster calls it."
    )
    accelerator_count: int = Field(0, ge=0, le=64, description="Accelerators that embed and the steps that train get, no more; 0: none.")
    train_runtime: ResourceName = Field(
        "torch-distributed", description="The ClusterTrainingRuntime of Kubeflow Trainer for torch, where train.num_nodes is above 1."
    )
    node_selector: dict[Label, str] = Field(default_factory=dict, description="Labels that a node must have, by name: {pool: training}.")
    tolerations: list[Toleration] = Field(
        default_factory=list, description="Taints that are tolerated: [{key: gpu, operator: Exists, value: '', effect: NoSchedule}]."
    )
    shared_memory_gib: float = Field(2.0, gt=0, le=1024, description="Size of /dev/shm in the steps that load images, in GiB.")
    num_retries: int = Field(2, ge=0, le=20, description="How often a step that failed is tried again.")
    retry_wait_s: int = Field(60, ge=0, le=86_400, description="Seconds before the first of those tries.")
    retry_factor: float = Field(2.0, ge=1, le=10, description="Each wait is this many times the one before.")
    timeout_s: int = Field(86_400, ge=1, le=31_536_000, description="Seconds after which a step is ended.")
    secrets: References = Field(
        default_factory=dict, description="Secrets as environment variables: {mlflow: {key: MLFLOW_TRACKING_PASSWORD}}."
    )
    config_maps: References = Field(
        default_factory=dict, description="Config maps as environment variables: {mlflow: {uri: MLFLOW_TRACKING_URI}}."
    )
    secret_files: dict[ResourceName, MountPath] = Field(
        default_factory=dict, description="Secrets as files in a folder: {git-key: /etc/git-key}."
    )
    image_pull_secrets: list[ResourceName] = Field(
        default_factory=list, description="Secrets with the credentials of the image's registry."
    )
    volume: OptionalName = Field("", description="The persistent volume claim for images, vectors and checkpoints; empty: none.")
    num_parts: int = Field(
        1, ge=1, le=1000, description="Tasks before ingest, embed and augment that each do a part of it; 1: none; more need a volume."
    )
    mount_path: MountPath = Field("/mnt/darkroom", description="Where the volume stands in the steps.")
    checkpoints: str = Field(
        "",
        pattern=rf"^({ADDRESS})?$",
        max_length=500,
        description="Object storage for checkpoints, such as s3://bucket/prefix; empty: they are kept on the volume.",
    )
    endpoint: str = Field(
        "", pattern=r"^(https?://\S+)?$", description="Address of Kubeflow Pipelines, such as https://kubeflow.example.org."
    )
    namespace: OptionalName = Field("", description="The user's namespace in a multi-user Kubeflow; empty: single-user.")
    experiment: str = Field("", max_length=128, description="The experiment that runs are filed under; empty: the model's name.")
    disk_row_bytes: int = Field(
        250, ge=0, le=10**9, description="Estimate of a run's disk: bytes of an image beside its file, a row in the tables of five steps."
    )
    disk_vector_bytes: int = Field(
        12_000,
        ge=0,
        le=10**9,
        description="The same: bytes of an image's vector and thumbnails, in the artifact and in runs/vectors.",
    )
    disk_copy_bytes: int = Field(40_000, ge=0, le=10**9, description="The same: bytes of a copy that augment makes, at 256 px, at most.")
    disk_model_factor: float = Field(
        12,
        ge=0,
        le=1000,
        description="The same: sizes of the weights; two models, graphs, moments and averages of checkpoints, and MLflow's.",
    )
    disk_report_bytes: int = Field(6_000_000, ge=0, le=10**12, description="The same: bytes of reports and figures, here and in MLflow.")
    disk_archived_bytes: int = Field(30_000, ge=1, le=10**9, description="The same: bytes of one file, of which an archive holds many.")
    disk_margin: float = Field(1.25, ge=1, le=100, description="A run warns where less than this many times its estimate is free.")
    ca_file: str = Field("", description="Certificate of the authority that signed the endpoint's; empty: the known authorities.")

    @field_validator("image")
    @classmethod
    def _whole_digest(cls, value: str) -> str:
        if "@" in value and not is_digest(value):
            raise PydanticCustomError("no_digest", "What follows the @ must be sha256: and 64 hexadecimal digits")
        return value


def is_digest(image: str) -> bool:
    """Whether an image is named by its content: `name@sha256:` and 64 hexadecimal digits."""
    name, found, digest = image.rpartition("@sha256:")
    return bool(name and found) and len(digest) == 64 and set(digest) <= set("0123456789abcdef")


def read_platform(values: dict[str, Any]) -> PlatformConfig:
    """The settings from plain values, as in the section of `params.yaml`.

    Raises:
        InputError: A value is out of bounds or of the wrong kind, or a name is not known.
    """
    return parse(PlatformConfig, SECTION, values)
