"""The script that MLflow runs to load a registered model (models from code: nothing is unpickled)."""

import base64
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel, PythonModelContext

from darkroom.model import ModelCard, Predictor, labels_of
from darkroom.system.errors import InputError

_URL_SAFE = str.maketrans("-_", "+/")  # the two characters that base64 has another of in addresses


class ImageClassifier(PythonModel):
    """Takes image files as bytes, gives labels and probabilities."""

    def load_context(self, context: PythonModelContext) -> None:
        """Opens the model's folder."""
        self._predictor = Predictor(Path(context.artifacts["bundle"]))

    def predict(self, context: PythonModelContext, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """Answers for a table of images.

        Args:
            context: MLflow's.
            model_input: A column `image`: the bytes of an image file each row, or these as base64, as JSON carries them.
            params: None are known.

        Returns:
            `label` (labels joined by a bar for multi-label, which may be none), `probability` (of that label; for
            multi-label of the least certain one that was given), and `probability:<class>` for each class.
        """
        probabilities = self._predictor.predict(file_bytes(value) for value in model_input["image"].tolist())
        return answers(self._predictor.card, probabilities)


def file_bytes(value: Any) -> bytes:
    """The bytes of a file that came as such, or as text in base64, which may be a `data:` address.

    Raises:
        InputError: It came as neither.
    """
    try:
        if not isinstance(value, str):
            return bytes(memoryview(value))
        text = "".join((value.partition(",")[2] if value.startswith("data:") else value).split()).translate(_URL_SAFE)
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (TypeError, ValueError):
        raise InputError(f"an image came as {str(value)[:40]!r}: give the bytes of an image file, or these in base64") from None


def answers(card: ModelCard, probabilities: npt.NDArray[np.float32]) -> pd.DataFrame:
    """The table of answers, a row an image, from `(N, K)` probabilities."""
    chosen = labels_of(card, probabilities)
    given = chosen.astype(bool) if card.task == "multilabel" else np.eye(len(card.classes), dtype=bool)[chosen]
    columns: dict[str, Any] = {
        "label": ["|".join(name for name, on in zip(card.classes, row, strict=True) if on) for row in given],
        "probability": np.where(given, probabilities, 1.0).min(axis=1).astype(np.float64),
    }
    for index, name in enumerate(card.classes):
        columns[f"probability:{name}"] = probabilities[:, index].astype(np.float64)
    return pd.DataFrame(columns)


set_model(ImageClassifier())
