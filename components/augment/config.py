"""The settings of `augment`."""

from pydantic import Field

from darkroom.augmentation.policy_settings import PolicySettings


class AugmentConfig(PolicySettings):
    """Balances the training split; what training does to a picture on the fly. A strength of 0 leaves an operation out."""

    flip_min_kept: float = Field(
        0.85,
        ge=0,
        le=1,
        description="Share of a small classifier's skill that auto wants mirroring to keep; photographs keep 0.94 to 0.99, digits 0.53.",
    )
    flip_min_kept_by_label: float = Field(
        0.5, ge=0, le=1, description="The same share at each label alone: mirroring that confuses b with d hardly shows among all letters."
    )
    flip_min_skill: float = Field(
        0.3, gt=0, le=1, description="Skill, from 0 (chance) to 1, below which a label was not learnt, so that auto ignores it."
    )
    target_share: float = Field(
        0.25,
        ge=0,
        le=1,
        description="Training images that each class should have, as a share of the largest's; the loss weighs those that are rare.",
    )
    max_copies_per_image: int = Field(4, ge=0, le=100, description="Copies made of one image at most.")
    max_copies: int = Field(2000, ge=0, description="Copies made in all at most.")
    max_side_px: int = Field(256, ge=8, le=4096, description="Longer side of a copy at most, in pixels.")
    seed: int = Field(0, ge=0, lt=2**31, description="Decides which images are copied and how.")
