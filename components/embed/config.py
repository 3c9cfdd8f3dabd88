"""The settings of `embed`."""

from typing import Annotated, Literal

from pydantic import Field

from darkroom.system.config import StepConfig
from darkroom.training.hyperparameters import Auto


class EmbedConfig(StepConfig):
    """Looks at every image once through a backbone."""

    backbone: str = Field(
        "auto",
        min_length=1,
        description="handcrafted, lite0, lite1, lite2, or another network with embed.weights; auto: handcrafted for small images and "
        "drawings, else lite0.",
    )
    weights: str = Field(
        "", description="Empty for packaged weights; a .safetensors or .pth file, a model's folder, or models:/NAME@ALIAS (backbone: auto)."
    )
    weights_version: str = Field(
        "", description="Version of that file, folder or model, which a run records, for the cache. Leave it empty."
    )
    precision: Literal["float32", "bf16"] = Field(
        "float32", description="float32, or bf16: faster on processors and GPUs that have it; vectors of both are never mixed."
    )
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="auto takes a GPU if there is one.")
    batch_size: Annotated[int, Field(ge=1, le=4096)] | Auto = Field("auto", description="Images at once; auto: 8 on the CPU, 256 on a GPU.")
    num_threads: Annotated[int, Field(ge=1, le=1024)] | Auto = Field("auto", description="Threads; auto: the cores that the run was given.")
    auto_min_side_px: int = Field(48, ge=1, le=10_000, description="Median of the shorter sides from which on auto takes lite0, in pixels.")
    auto_min_tones: int = Field(
        32, ge=1, le=256, description="Median of the tones (of 256) from which on auto takes lite0: drawings, masks and letters have fewer."
    )
    auto_sample: int = Field(256, ge=1, le=1_000_000, description="Images that auto looks at.")
