"""The settings of `train`."""

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from darkroom.networks.families import ON_VECTORS
from darkroom.preprocessing.settings import PreprocessingSettings
from darkroom.system.config import StepConfig
from darkroom.system.errors import InputError
from darkroom.training.hyperparameters import Auto, Balance, Effort, LossName, Monitor, OptimizerName, Precision, Schedule, Switch


class NetworkSettings(StepConfig):
    """Which network is trained, how much, and at which side."""

    model: str = Field(
        "auto",
        min_length=1,
        description="auto, small_cnn, lite0_local, lite0 to lite2, any of torchvision or timm; or probe, random_forest ... on embeddings.",
    )
    weights: str = Field(
        "auto",
        description="Where to start: auto (packaged weights, if any), empty (random), DEFAULT (download), a .safetensors or .pth, "
        "models:/NAME@ALIAS.",
    )
    weights_version: str = Field("", description="Version of that file or model, which a run records, for the cache. Leave it empty.")
    effort: Effort = Field(
        "standard",
        description="How much auto trains: quick, standard or thorough: a quarter, one or eight times a budget of multiply-adds.",
    )
    time_limit_min: float = Field(
        0.0,
        ge=0,
        le=100_000,
        description="Minutes that the step may take: measured once, it settles auto side and epochs in effort's place; 0: none.",
    )
    processor: str = Field(
        "", description="The processor that time_limit_min is measured on, for the cache; a run on this machine sets it."
    )
    side_px: Annotated[int, Field(ge=8, le=1024)] | Auto = Field("auto", description="Side in pixels of the square images are resized to.")


class TrainConfig(PreprocessingSettings, NetworkSettings):
    """Trains the classifier."""

    epochs: Annotated[int, Field(ge=1, le=100_000)] | Auto = Field(
        "auto", description="How often every training image is seen; auto: as effort says."
    )
    batch_size: Annotated[int, Field(ge=2, le=65_536)] | Auto = Field("auto", description="Images a step.")
    accumulate: int = Field(
        1, ge=1, le=65_536, description="Parts in which a batch goes through the network; more of them where memory is short."
    )
    optimizer: OptimizerName = Field(
        "adamw", description="adam, adamw, sgd (with Nesterov momentum) or muon (adamw for what is no matrix)."
    )
    learning_rate: Annotated[float, Field(gt=0, le=10)] | Literal["auto", "find"] = Field(
        "auto", description="Learning rate at its peak; auto: the optimizer's usual one; find: by a range test of 100 steps."
    )
    schedule: Schedule = Field("cosine", description="How the learning rate falls: cosine, one_cycle, step or constant.")
    warmup_epochs: Annotated[float, Field(ge=0)] | Auto = Field("auto", description="Over how many epochs the learning rate rises.")
    weight_decay: float = Field(0.05, ge=0, le=10, description="Decay of the weights, as the optimizer means it.")
    momentum: float = Field(0.9, ge=0, lt=1, description="Momentum of sgd and muon.")
    clip_norm: float = Field(0.0, ge=0, le=1e6, description="Largest norm of the gradients, which are scaled down to it; 0: none.")
    head_rate_factor: Annotated[float, Field(gt=0, le=1000)] | Auto = Field(
        "auto",
        description="Learning rate of the last layer as a multiple of the others'; auto: 10 if it alone starts random, else 1.",
    )
    layer_decay: float = Field(
        1.0,
        gt=0,
        le=1,
        description="Learning rate of the first layer as a share of the trunk's last one's; of those between, geometrically.",
    )
    freeze_epochs: int = Field(0, ge=0, le=100_000, description="First epochs in which the last layer alone learns.")
    unfreeze_epochs: int = Field(0, ge=0, le=100_000, description="Epochs after these in which ever earlier layers join.")
    frozen_share: Annotated[float, Field(ge=0, lt=1)] | Auto = Field(
        "auto",
        description="Share of the trunk's layers, the first, that never learn; auto: auto_frozen_share for given weights of a large one.",
    )
    kept_views: Annotated[int, Field(ge=0, le=1000)] | Auto = Field(
        "auto",
        description="Views of each image that frozen layers see once, 1: unaugmented; 0: each time anew; auto: up to auto_kept_views.",
    )
    head_start: Literal["auto", "linear", "random"] = Field(
        "auto",
        description="Where the last layer starts: linear (a linear model on what it reads) or random; auto: linear behind frozen layers.",
    )
    start_share: Annotated[float, Field(ge=0, lt=1)] | Auto = Field(
        "auto",
        description="Share of the weights that fine-tuning began with in those that are delivered; auto: by log loss on validation images.",
    )
    first_side_share: float = Field(
        1.0,
        gt=0,
        le=1,
        description="Side of the first epoch as a share of side_px, to which it grows (progressive resizing); 1: all have it.",
    )
    freeze_batch_norm: bool | Auto = Field(
        "auto", description="Whether batch normalisation keeps its statistics; auto: for a large network's given weights."
    )
    loss: LossName = Field(
        "auto",
        description="auto or cross_entropy (binary for multilabel), focal (sure answers count less), or asymmetric (multilabel only).",
    )
    loss_gamma: Annotated[float, Field(ge=0, le=10)] | Auto = Field(
        "auto", description="How much less sure answers count in the focal and asymmetric loss; auto: 2 and 4."
    )
    distill_folds: float = Field(
        0.0,
        ge=0,
        le=1,
        description="Share of the loss in which the network learns what the folds of split.num_folds answer for images they left out.",
    )
    distill_temperature: float = Field(2.0, gt=0, le=100, description="Of these answers: the higher, the more the unlikely classes count.")
    dropout: float = Field(0.0, ge=0, lt=1, description="Share of the features that is dropped before the last layer.")
    label_smoothing: float = Field(0.1, ge=0, lt=1, description="Share of the truth that is spread over the other answers.")
    mixing: float = Field(0.0, ge=0, le=1, description="Share of the batches whose images are blended in pairs (mixup).")
    cutmix: float = Field(
        0.0, ge=0, le=1, description="Share of the batches in which a square of each image is another's (CutMix); with mixing 1 at most."
    )
    class_balance: Balance = Field("auto", description="How rare classes are made to count: auto, weights (in the loss), sampling or none.")
    weight_column: str = Field(
        "",
        max_length=1000,
        description="Column that weighs each training image's loss (mean 1); validation and test stay unweighted; empty: off.",
    )
    ema_decay: float = Field(0.99, ge=0, lt=1, description="How slowly the averaged weights follow; 0 keeps the last ones.")
    monitor: Monitor = Field("f1_macro", description="Measure that chooses the epoch: the last within a standard error of the best.")
    patience: Annotated[int, Field(ge=1)] | Auto = Field("auto", description="Epochs without a better one after which training stops.")
    mixed_precision: Precision = Field(
        "auto",
        description="auto: bfloat16 (on a CPU from 32 px on), or 16 bits on a GPU, or else 32; bf16: bfloat16 or an error; tf32; off: 32.",
    )
    compile: Switch = Field(
        "auto", description="torch.compile: on, off, or auto: on a GPU, where a few steps tell that it saves more time than it takes."
    )
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="auto takes a GPU if there is one.")
    num_threads: Annotated[int, Field(ge=1, le=1024)] | Auto = Field("auto", description="Threads; auto: the cores that the run was given.")
    num_processes: Annotated[int, Field(ge=1, le=1024)] | Auto = Field(
        "auto", description="Processes that share each batch and train one network, on each node; auto: one a GPU, or 1 on a CPU."
    )
    num_nodes: int = Field(
        1, ge=1, le=1024, description="Nodes that train together: above 1 on Kubeflow alone, by a TrainJob of Kubeflow Trainer."
    )
    auto_base_side_px: int = Field(
        64,
        ge=16,
        le=512,
        description="Side in pixels that auto always affords; above it, photographs gain more from further epochs than from pixels.",
    )
    auto_max_side_px: int = Field(160, ge=16, le=512, description="Largest side in pixels that auto takes, for few and large images.")
    auto_min_presentations: int = Field(
        80, ge=1, le=100_000, description="A side above auto_base_side_px is taken only if each image is still shown so often."
    )
    auto_max_presentations: int = Field(
        160_000,
        ge=1,
        le=10**12,
        description="Images that auto shows in all epochs together; above auto_base_side_px fewer, as each takes longer.",
    )
    auto_min_epochs: int = Field(8, ge=1, le=100_000, description="Fewest epochs that auto takes, however many images there are.")
    auto_max_epochs: int = Field(
        60,
        ge=1,
        le=100_000,
        description="Most epochs that auto takes, however few images there are; counts for more than auto_min_epochs.",
    )
    auto_photo_side_px: int = Field(
        32,
        ge=1,
        le=100_000,
        description="Median shorter side from which auto takes a pretrained network: smaller images are rarely photographs.",
    )
    auto_grey_photo_side_px: int = Field(
        48, ge=1, le=100_000, description="The same where most images are grey: characters and icons, which a small network learns better."
    )
    auto_macs: float = Field(
        1e13, gt=0, le=1e21, description="Multiply-adds, forward and backward, that auto spends on fine-tuning; effort scales them."
    )
    auto_pretrained_min_side_px: int = Field(64, ge=16, le=512, description="Smallest side that auto takes for a pretrained network.")
    auto_pretrained_max_side_px: int = Field(256, ge=16, le=512, description="Largest side that auto takes for a pretrained network.")
    auto_pretrained_enlarging: float = Field(
        4.0,
        ge=1,
        le=64,
        description="Most times that auto enlarges small images for a pretrained network, up to the 224 px at which most have learnt.",
    )
    auto_pretrained_min_epochs: float = Field(
        4,
        gt=0,
        le=100_000,
        description="The side is the largest at which auto_macs afford so many epochs, or half of them for 20,000 images.",
    )
    auto_pretrained_max_epochs: int = Field(
        8, ge=1, le=100_000, description="Most epochs of fine-tuning that auto takes, however few images there are; effort scales them."
    )
    auto_pretrained_share: float = Field(
        0.5,
        gt=0,
        le=1,
        description="Share of its usual learning rate that auto takes from given weights: larger steps undo what they have learnt.",
    )
    auto_frozen_share: float = Field(
        0.68,
        ge=0,
        lt=1,
        description="Share of a pretrained trunk that auto freezes: it knows textures and parts of things, and takes most of the time.",
    )
    auto_min_frozen_share: float = Field(
        0.5,
        ge=0,
        lt=1,
        description="The same for so few images that auto_macs afford all epochs at the largest side even so; not with a time limit.",
    )
    auto_min_skill: float = Field(
        0.5,
        ge=0,
        le=1,
        description="Skill of the floor, from 0 (chance) to 1, below which auto takes images as unlike those that given weights know.",
    )
    auto_unlike_frozen_share: float = Field(0.2, ge=0, lt=1, description="Share of a pretrained trunk that auto freezes for such images.")
    auto_unlike_max_epochs: int = Field(
        16, ge=1, le=100_000, description="Most epochs that auto takes for such images; effort scales them."
    )
    auto_local_max_images: int = Field(
        1000, ge=0, description="Such images, if there are so few for training, are learnt by lite0_local, if it beats the floor; 0: never."
    )
    auto_local_epochs: int = Field(24, ge=1, le=100_000, description="Most epochs that auto takes for lite0_local; effort scales them.")
    auto_local_rate_share: float = Field(
        1.5,
        gt=0,
        le=100,
        description="Multiple of the usual learning rate that auto takes for lite0_local: what learns starts random.",
    )
    auto_local_kept_views: int = Field(8, ge=1, le=1000, description="Views that auto keeps of each image for lite0_local.")
    auto_kept_views: int = Field(
        4, ge=1, le=1000, description="Views that auto keeps at most, the first the image as it is; fewer of many."
    )
    auto_kept_views_mb: float = Field(
        4096, ge=0, le=1e9, description="Memory or scratch space that auto spends on kept views, in megabytes of 2^20 bytes."
    )
    auto_correction_images: int = Field(
        1000,
        ge=4,
        le=10**6,
        description="Images, half training and half validation, on which a linear model tries corrections that are auto.",
    )
    threshold_prior_images: float = Field(
        30,
        ge=0,
        le=1e9,
        description="Images of the rarer answer that move a threshold half of the way from the neutral one; 0: it is not held back.",
    )
    mirrored_answers: bool | Auto = Field(
        False,
        description="Answer with the mean for an image and its mirror image, at twice the latency; auto: where validation gains.",
    )
    floor: Literal["report", "require", "register"] = Field(
        "require",
        description="A network below a linear model on the embeddings: report it, require more of a champion, or register that model.",
    )
    regularization: Annotated[float, Field(gt=0, le=1e6)] | Auto = Field(
        "auto", description="Penalty on weights of probe, logistic_regression and SVMs; auto: the best of a few on the validation images."
    )
    num_trees: Annotated[int, Field(ge=1, le=10_000)] | Auto = Field(
        "auto", description="Trees of random_forest, or a class of gradient_boosting; auto: 100."
    )
    num_neighbours: Annotated[int, Field(ge=1, le=1000)] | Auto = Field(
        "auto", description="Neighbours of k_nearest; auto: the best of 1, 5 and 15 on the validation images."
    )
    max_bundle_mb: float = Field(100.0, gt=0, le=100_000, description="Largest model on embeddings, in megabytes of 2^20 bytes.")
    seed: int = Field(0, ge=0, lt=2**31, description="Decides the first weights, the order of images and their augmentation.")

    @property
    def is_time_limited(self) -> bool:
        """Whether a limit of the time settles how much a network is trained: epochs that are set by hand win."""
        return self.time_limit_min > 0 and self.epochs == "auto" and self.model not in ON_VECTORS

    @property
    def changes_images(self) -> bool:
        """Whether images are mixed or resized in every batch anew, so that no view of them can be kept."""
        return self.mixing + self.cutmix > 0 or self.first_side_share < 1

    def check_folds(self, num_folds: int) -> None:
        """Refuses folds where the time is limited, which is meant for a single training, and the distillation of folds without any.

        Args:
            num_folds: Folds that `split` makes, or 0.

        Raises:
            InputError: It is, or there are none.
        """
        if self.distill_folds and not num_folds:
            raise InputError(f"train.distill_folds is {self.distill_folds:g}, and split.num_folds is 0", "set that to 5, for example")
        if self.distill_folds and self.model in ON_VECTORS:
            raise InputError(f"train.distill_folds is {self.distill_folds:g}, and {self.model} (train.model) is no network", "set it to 0")
        if num_folds and self.is_time_limited:
            limit = f"train.time_limit_min is {self.time_limit_min:g}, which limits a single training"
            raise InputError(f"split.num_folds is {num_folds}, and {limit}: set one of them to 0")

    @model_validator(mode="after")
    def _check_shares(self) -> "TrainConfig":
        if self.mixing + self.cutmix > 1:
            raise InputError(
                f"train.mixing is {self.mixing:g} and train.cutmix {self.cutmix:g}: these shares of the batches are more than 1 together, "
                "lower one"
            )
        if self.weight_column and self.model == "k_nearest":
            problem = f"train.weight_column is {self.weight_column!r}, and k_nearest (train.model) has no loss that images weigh in"
            raise InputError(problem, "leave it empty, or name another train.model")
        if self.mirrored_answers is True and self.model in ON_VECTORS:
            raise InputError(f"train.mirrored_answers is true, and {self.model} (train.model) is no network", "set it to false")
        if self.kept_views not in ("auto", 0) and self.changes_images:
            changed = "train.mixing, cutmix and first_side_share need images"
            raise InputError(f"train.kept_views is {self.kept_views}, and {changed}: set it to 0, or these to 0, 0 and 1")
        return self

    @field_validator("num_threads", mode="before")
    @classmethod
    def _zero_was_auto(cls, value: Any) -> Any:
        """Settings of earlier releases say 0 for `auto`."""
        return "auto" if value == 0 and not isinstance(value, bool) else value
