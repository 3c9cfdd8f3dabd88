"""The settings of `pretrain`."""

from typing import Annotated, Any, Literal

from pydantic import Field

from darkroom.system.config import StepConfig

Method = Literal["simclr", "vicreg"]


class PretrainConfig(StepConfig):
    """Lets the network of `train` learn from images without labels first (off by default); where on, `train` starts from its weights."""

    enabled: bool = Field(False, description="Whether a network learns without labels first; if not, train starts as train.weights says.")
    data: str = Field("", description="Images without labels to learn from: any data source; empty: the training split's own images.")
    ingest: dict[str, Any] = Field({}, description="Settings of ingest for `data` alone, such as {ignore: [test]}.")
    data_version: str = Field(
        "", description="The version that `data` must have, as `darkroom data version` shows it; empty: the one it has now."
    )
    method: Method = Field(
        "simclr", description="simclr (a view's partner is told from the rest of its batch) or vicreg (views agree, features vary)."
    )
    epochs: int = Field(50, ge=1, le=100_000, description="How often every image is seen, in two views.")
    batch_size: int = Field(256, ge=2, le=65_536, description="Images a step, of which each has two views; simclr needs many.")
    side_px: Annotated[int, Field(ge=8, le=1024)] | Literal["auto"] = Field(
        "auto", description="Side in pixels of the square images; auto: train.side_px, or theirs, up to max_side_px."
    )
    max_side_px: int = Field(128, ge=16, le=1024, description="Largest side in pixels that auto takes.")
    learning_rate: float = Field(
        2e-3, gt=0, le=10, description="Learning rate of AdamW at its peak; it rises first, then falls by a cosine."
    )
    weight_decay: float = Field(0.05, ge=0, le=10, description="Decay of the weights.")
    temperature: float = Field(0.2, ge=0.01, le=10, description="Of simclr: the lower, the more the most similar other images count.")
    invariance: float = Field(25.0, gt=0, le=1e6, description="Of vicreg: weight of the distance between two views of an image.")
    variance: float = Field(25.0, gt=0, le=1e6, description="Of vicreg: weight of each feature's variation over the images.")
    covariance: float = Field(1.0, ge=0, le=1e6, description="Of vicreg: weight of what features vary together.")
    projection_dim: int = Field(256, ge=2, le=65_536, description="Features of the projection that is compared, which train does not get.")
    min_crop: float = Field(
        0.4, gt=0, le=1, description="Smallest window of an image that a view shows, as a share of each side; 1: all of it."
    )
    colour_strength: float = Field(
        0.8, ge=0, le=1, description="How much views differ in brightness, contrast, saturation and hue; 0: where colour is what matters."
    )
    seed: int = Field(0, ge=0, lt=2**31, description="Decides the projection's first weights, the order of images and their views.")
