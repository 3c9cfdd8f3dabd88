"""The settings of `clean`."""

from typing import Annotated, Literal

from pydantic import Field

from darkroom.similarity.levels import MIN_CLOSE_UP, MIN_DETAIL_SHARE, MIN_SIDE_PX, NEAR_DUPLICATE, NUM_NEIGHBOURS, SAME_THING
from darkroom.system.config import StepConfig
from darkroom.training.hyperparameters import Auto

OddAction = Literal["flag", "drop", "tie", "off"]
Threshold = Annotated[float, Field(ge=0)] | Auto


class CleanConfig(StepConfig):
    """Drops what can't be learnt from, and ties what shows the same."""

    duplicates: Literal["drop", "flag"] = Field(
        "drop",
        description="Images of equal pixels: drop all but one, or flag and keep them (equal files are reduced to one in any case).",
    )
    contradictions: Literal["drop", "keep_first", "flag"] = Field(
        "drop", description="Images of equal pixels and different labels: drop them all, keep the first by path, or flag and keep them."
    )
    near_duplicates: Literal["tie", "drop", "flag", "off"] = Field(
        "tie",
        description="Copies (compressed, cropped, turned ...): tie (kept, on one side of every split), drop (tie, and train on "
        "one), flag, or off.",
    )
    same_things: Literal["tie", "flag", "off"] = Field(
        "tie", description="The same thing photographed again (other exposure, a second later): tie, only flag, or do not look for it."
    )
    min_near_duplicate: float = Field(
        NEAR_DUPLICATE, ge=0, le=1, description="Correlation of the details of two aligned pictures from which on they are near-duplicates."
    )
    min_same_thing: float = Field(
        SAME_THING, ge=0, le=1, description="The same, from which on they show the same thing; far below the default few more are found."
    )
    min_close_up: float = Field(
        MIN_CLOSE_UP,
        ge=0,
        le=1,
        description="Correlation of their corners and texture close up, below which they only share an outline or a background.",
    )
    max_cluster_share: float = Field(
        0.05,
        gt=0,
        le=1,
        description="A cluster of the same thing is not made if it has both more than this share of a class and max_cluster_images.",
    )
    max_cluster_images: int = Field(50, ge=2, description="See max_cluster_share: smaller clusters are always made.")
    min_tie_side_px: int = Field(
        MIN_SIDE_PX,
        ge=8,
        le=10_000,
        description="Images whose shorter side is below this are tied by equal pixels only, as they carry too little.",
    )
    min_detail_share: float = Field(
        MIN_DETAIL_SHARE, ge=0, le=1, description="Share of two pictures that must have details for them to be compared by these."
    )
    num_neighbours: int = Field(
        NUM_NEIGHBOURS, ge=1, le=1000, description="Nearest images, by vectors and by thumbnails, that each is compared with."
    )
    verdicts: str = Field(
        "",
        description="People's verdicts beside those in the data's root: a file, for data that nothing is written to, such as an archive.",
    )
    verdicts_version: str = Field("", description="Version of that file, which a run records; later lines are not read. Leave it empty.")
    mislabelled: Literal["flag", "relabel", "drop", "off"] = Field(
        "flag",
        description="Labels that models of the other images contradict: flag, relabel or drop (of training images, by split), or off.",
    )
    min_mislabelled: float = Field(
        0.2, ge=0, le=1, description="Probability that a label is wrong, from which on it is a finding; every score stands in label_score."
    )
    label_folds: int = Field(
        5, ge=2, le=100, description="Folds of the models that judge labels; labels of fewer independent images are not judged."
    )
    label_model: Literal["linear", "network"] = Field(
        "linear",
        description="What judges labels: linear models (seconds), or with them a small network a fold, on pixels (minutes to hours).",
    )
    label_vectors: Literal["auto", "lite0", "off"] = Field(
        "auto",
        description="Vectors that judge labels beside hand-made features: lite0's, or none; auto: from label_min_images and "
        "label_min_side_px on.",
    )
    label_min_images: int = Field(1000, ge=1, description="See label_vectors: for fewer images its network is not loaded.")
    label_min_side_px: int = Field(
        16, ge=1, le=1024, description="See label_vectors: half of the images have a shorter side of so many pixels."
    )
    label_side_px: int = Field(96, ge=32, le=512, description="To which pictures are enlarged for label_vectors, in pixels.")
    label_network_side_px: int = Field(
        64, ge=16, le=512, description="Largest side of pictures for label_model network, in pixels; small pictures keep theirs."
    )
    label_epochs: Annotated[int, Field(ge=1, le=100_000)] | Auto = Field(
        "auto", description="Epochs of each such network; auto: as many as show it label_presentations images, at least 8, at most 100."
    )
    label_presentations: int = Field(160_000, ge=1, le=10**12, description="See label_epochs.")
    seed: int = Field(0, ge=0, lt=2**31, description="Decides those folds, and the networks' first weights.")
    off_topic: OddAction = Field(
        "flag",
        description="Images far from their class: flag, drop (of training images, by split), tie (on one side of every split), or off.",
    )
    dark: OddAction = Field("flag", description="Dark images: the same.")
    bright: OddAction = Field("flag", description="Bright images: the same.")
    blurred: OddAction = Field("flag", description="Blurred images: the same.")
    low_information: OddAction = Field("flag", description="Images that show hardly anything, such as an even area: the same.")
    grey: OddAction = Field("flag", description="Grey images among coloured ones: the same.")
    odd_size: OddAction = Field("flag", description="Images much larger or smaller than the others: the same.")
    odd_aspect: OddAction = Field("flag", description="Images much more oblong than the others: the same.")
    off_topic_threshold: Threshold = Field(
        "auto", description="Distance of vectors (1 - cosine) from its class from which on an image is off topic; auto: from those of all."
    )
    dark_threshold: Threshold = Field(
        "auto", description="Halvings below white of what 95 % of the pixels are at most, from which on an image is dark; auto: see above."
    )
    bright_threshold: Threshold = Field(
        "auto", description="Halvings of the room to white of what 90 % of the pixels are at least; auto: see above."
    )
    blurred_threshold: Threshold = Field("auto", description="Width of the sharper edges at 128 px, in pixels; auto: see above.")
    low_information_threshold: Threshold = Field(
        "auto", description="Bits that the entropy of the grey levels lacks of 8; auto: see above."
    )
    grey_threshold: Threshold = Field("auto", description="Halvings of the difference of the channels from 256; auto: see above.")
    odd_size_threshold: Threshold = Field("auto", description="Doublings or halvings of the median side; auto: see above.")
    odd_aspect_threshold: Threshold = Field("auto", description="Doublings of the longer side over the shorter one; auto: see above.")
    min_side_px: int = Field(
        1, ge=1, le=10_000, description="Images whose shorter side is below this are dropped (of training images, by split); 1: none."
    )
    max_odd_share: float = Field(
        0.1, gt=0, le=1, description="Share of a class above which images that stand out are how the class is, and not odd."
    )
    missing_values: Literal["flag", "off"] = Field("flag", description="Columns of the table of labels in which values are missing.")
    few_images: Literal["flag", "off"] = Field("flag", description="Classes with fewer than min_class_images independent images.")
    min_class_images: int = Field(20, ge=1, description="See few_images.")
    imbalance: Literal["flag", "off"] = Field("flag", description="Classes that are outnumbered by max_imbalance.")
    max_imbalance: float = Field(
        10.0,
        ge=1,
        description="Times that the largest class has the images of another, or a label (multi-label) those with the rarer answer.",
    )
    num_pictures: int = Field(
        6, ge=0, le=60, description="Worst findings of each check that the report shows as pictures; of all checks at most 60 pictures."
    )
