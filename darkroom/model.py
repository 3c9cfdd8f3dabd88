"""The model: a folder with all that turns a raw image file into a labelled answer, and nothing of the training code.

`model.json` (the card: architecture, classes, task, preprocessing, thresholds, provenance), `weights.safetensors`, and
`model.onnx`, which takes `images`, `(N, side_px, side_px, 3) uint8` RGB, and gives `probabilities`, `(N, K) float32`;
normalisation and softmax or sigmoid are inside its graph. Reading needs onnxruntime and Pillow, no torch
(`darkroom.networks.export` is the torch side of the same folder).
"""

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from darkroom import pixels
from darkroom.preprocessing.corrections import NONE, Corrections
from darkroom.preprocessing.recipe import Recipe, Resampling
from darkroom.system import files
from darkroom.system.cores import num_cores
from darkroom.system.errors import InputError
from darkroom.system.formats import Format, Values, record_from
from darkroom.task import Task

CARD, WEIGHTS, GRAPH = "model.json", "weights.safetensors", "model.onnx"
MAX_SIDE_PX = 1024


@dataclasses.dataclass(frozen=True)
class ModelCard:
    """What a model is and how its inputs and outputs are to be read.

    Attributes:
        architecture: `small_cnn`, or the name of a classification model of torchvision or timm (`timm/NAME` where both have it).
        classes: Class names in the order of the outputs.
        task: `binary` (two outputs, the second class is the positive one), `multiclass` or `multilabel`.
        side_px: Side of the square that images are resized to.
        mean: Mean of each channel that inputs are normalised with, 0 to 1.
        std: Standard deviation of each channel, 0 to 1.
        thresholds: From which probability on a label is given: one a class for multilabel, one (for the positive
            class) for binary, none for multiclass.
        provenance: Data version, settings as given, `hyperparameters` as resolved (see `darkroom.training.hyperparameters`),
            seed and other provenance of the model.
        pruning: What `prune` did, or nothing.
        resampling: The filter that images are resized with.
        center_crop: See `darkroom.preprocessing.recipe.Recipe`, as for the next three.
        pad: Whether images are padded to a square.
        fill: Grey level beside them.
        corrections: What is done to each resized image.
        mirrored: Whether the graph answers with the mean of the logits for an image and for its mirror image.
    """

    architecture: str
    classes: tuple[str, ...]
    task: Task
    side_px: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    thresholds: tuple[float, ...] = ()
    provenance: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    pruning: Mapping[str, Any] | None = None
    resampling: Resampling = "bilinear"
    center_crop: float = 0.0
    pad: bool = False
    fill: int = 0
    corrections: Corrections = NONE
    mirrored: bool = False

    def __post_init__(self) -> None:
        """Checks that the thresholds fit the task, and that the side is one that memory is asked for."""
        if not 1 <= self.side_px <= MAX_SIDE_PX:
            raise ValueError(f"side_px is {self.side_px}: it must be between 1 and {MAX_SIDE_PX}")
        wanted = {"binary": 1, "multiclass": 0, "multilabel": len(self.classes)}[self.task]
        if len(self.thresholds) != wanted:
            raise ValueError(f"a {self.task} model of {len(self.classes)} classes has {wanted} thresholds, not {len(self.thresholds)}")

    @property
    def recipe(self) -> Recipe:
        """How a picture becomes an input."""
        return Recipe(**{field.name: getattr(self, field.name) for field in dataclasses.fields(Recipe)})

    def write(self, path: Path) -> None:
        """Writes the card as JSON; equal cards make equal bytes."""
        files.write_json(path, CARD_FORMAT.stamp(dataclasses.asdict(self)))


def read_card(folder: Path) -> ModelCard:
    """Reads the card of a model's folder.

    Raises:
        InputError: The folder holds no model, or one that a later version of Darkroom wrote.
    """
    path = folder / CARD
    if not path.is_file():
        raise InputError(f"{folder} is no model: it has no {CARD}; name the folder that train or prune wrote")
    try:
        values = CARD_FORMAT.upgrade(files.read_json(path), path)
        lists = {name: tuple(value) for name, value in values.items() if isinstance(value, list)}
        return record_from(ModelCard, values | lists | {"corrections": record_from(Corrections, values.get("corrections", {}))})
    except (ValueError, TypeError, AttributeError, LookupError, RecursionError):
        raise InputError(f"{folder} is no model: its {CARD} is not what train or prune writes; name the folder of another") from None


def _with_hyperparameters(card: Values) -> Values:
    """Format 2 keeps the hyperparameters as resolved; format 1 kept the settings as given, and some of what `auto` meant."""
    provenance = card.get("provenance", {})
    if not {"settings", "epochs", "learning_rate", "batch_size"} <= provenance.keys():
        return card
    given, epochs = provenance["settings"], provenance["epochs"]
    automatic = {"warmup_epochs": min(0.1 * epochs, 5.0), "patience": max(10, epochs // 2)}  # as format 1 was made
    resolved = {name: value for name, value in automatic.items() if given.get(name, "auto") == "auto"}
    resolved |= {name: provenance[name] for name in ("epochs", "learning_rate", "batch_size")}
    return {**card, "provenance": {**provenance, "hyperparameters": {**given, **resolved}}}


def _with_recipe(card: Values) -> Values:
    """Format 3 says how images are resized; before, there was one way."""
    return {**card, "resampling": "bilinear", "center_crop": 0.0}


def _with_corrections(card: Values) -> Values:
    """Format 4 may say how images are padded and corrected, which a reader can't do without; before, they were not."""
    return card


CARD_FORMAT = Format("model card", (_with_hyperparameters, _with_recipe, _with_corrections))


class Predictor:
    """Answers for images, through onnxruntime on the CPU.

    Args:
        folder: A model's folder.
        num_threads: Threads that a prediction may use; as many as the process was given cores where none is named.

    Raises:
        InputError: The folder holds no model.
    """

    def __init__(self, folder: Path, num_threads: int | None = None) -> None:
        import onnxruntime  # takes a tenth of a second, which a reader of cards should not wait for

        self.card = read_card(folder)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = num_threads or num_cores()
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # a thread that waits leaves its core to others
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(str(folder / GRAPH), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime's errors share no class but this
            reason = " ".join(str(error).split())[:300]
            raise InputError(f"{folder} is no model: its {GRAPH} can't be loaded ({reason}); name the folder of another") from None
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        if [place.name for place in (*inputs, *outputs)] != ["images", "probabilities"]:
            raise InputError(f"{folder} is no model: its {GRAPH} does not take images and give probabilities; name the folder of another")

    def probabilities(self, batch: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Gives every class's probability.

        Args:
            batch: `(N, side_px, side_px, 3) uint8`, RGB, as `darkroom.pixels.pixels` makes them.

        Returns:
            `(N, K) float32`, 0 to 1; rows sum to 1 unless the task is multilabel.
        """
        if len(batch) == 0:
            return np.zeros((0, len(self.card.classes)), np.float32)
        answer: npt.NDArray[np.float32] = self._session.run(["probabilities"], {"images": np.ascontiguousarray(batch)})[0]
        if answer.shape != (len(batch), len(self.card.classes)):
            raise InputError(
                f"the model's {GRAPH} answers with {answer.shape} numbers for {len(self.card.classes)} classes: name another model"
            )
        return answer

    def predict(self, data: Iterable[bytes], batch_size: int = 64) -> npt.NDArray[np.float32]:
        """Gives every class's probability for raw image files.

        Args:
            data: The files' bytes, in any format that Pillow reads.
            batch_size: How many images are decoded and scored at once.

        Returns:
            `(N, K) float32`, a row a file.

        Raises:
            UnreadableError: A file is no whole image.
        """
        recipe, side = self.card.recipe, self.card.side_px
        parts = [self.probabilities(np.stack([pixels.pixels(file, recipe) for file in some])) for some in _chunks(data, batch_size)]
        return np.concatenate(parts) if parts else self.probabilities(np.zeros((0, side, side, 3), np.uint8))


def labels_of(card: ModelCard, probabilities: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """Turns probabilities into answers, with the card's thresholds.

    Args:
        card: Task, classes and thresholds.
        probabilities: `(N, K)`, 0 to 1.

    Returns:
        `(N,) int64` class indices, or `(N, K) int64` of 0 and 1 for multilabel.
    """
    return decide(card.task, probabilities, card.thresholds)


def decide(task: Task, probabilities: npt.NDArray[Any], thresholds: Sequence[float]) -> npt.NDArray[np.int64]:
    """Turns probabilities `(N, K)` into answers: as `labels_of`, for thresholds that are in no card yet."""
    if task == "multilabel":
        return (probabilities >= np.array(thresholds)).astype(np.int64)
    if task == "binary":
        return (probabilities[:, 1] >= thresholds[0]).astype(np.int64)
    return np.asarray(probabilities.argmax(axis=1), dtype=np.int64)


def _chunks(data: Iterable[bytes], size: int) -> Iterator[list[bytes]]:
    rest = iter(data)
    while chunk := list(islice(rest, size)):
        yield chunk
