"""Packaging: a model's folder as a logged MLflow model that anyone can load and serve, with signature and example."""

import hashlib
import json
import shutil
import tempfile
import time
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from darkroom.model import CARD, GRAPH, WEIGHTS, ModelCard, read_card
from darkroom.tracking.client import client

if TYPE_CHECKING:
    from mlflow.models import ModelSignature

_ROOT = Path(__file__).resolve().parents[2]
_CODE = (  # what `pyfunc_model` needs; a test loads it without the rest
    "darkroom.images",
    "darkroom.manifest",
    "darkroom.model",
    "darkroom.pixels",
    "darkroom.task",
    "darkroom.volume",
    "darkroom.system.errors",
    "darkroom.system.files",
    "darkroom.tracking.tags",
)
_REQUIREMENTS = ("mlflow", "numpy", "onnxruntime", "pandas", "pillow", "pyarrow")
_MEASURED = ("latency", "seconds", "reason")  # parts of names in the card whose values differ from time to time


def bundle_sha256(bundle: Path) -> str:
    """The name of a model: hash of its weights, its graph and its card, without what was measured by the clock."""
    digest = hashlib.sha256(json.dumps(_stable(json.loads((bundle / CARD).read_text())), sort_keys=True).encode())
    for name in (WEIGHTS, GRAPH):
        digest.update(hashlib.sha256((bundle / name).read_bytes()).digest() if (bundle / name).exists() else b"none")
    return digest.hexdigest()


def log_bundle(run_id: str, bundle: Path, example: bytes, measures: Mapping[str, float]) -> str:
    """Logs a model's folder to a run.

    Args:
        run_id: The run that made it.
        bundle: The model's folder.
        example: A small image file, kept as the input example.
        measures: Headline measures, shown with the model.

    Returns:
        The logged model's id.
    """
    import mlflow
    import pandas as pd
    from mlflow.entities import LoggedModelOutput, LoggedModelStatus, Metric

    store, card = client(), read_card(bundle)
    experiment = store.get_run(run_id).info.experiment_id
    logged = store.create_logged_model(experiment, "model", run_id, params={"architecture": card.architecture, "task": card.task})
    with tempfile.TemporaryDirectory() as place:
        mlflow.pyfunc.save_model(
            f"{place}/model",
            mlflow_model=mlflow.models.Model(
                artifact_path=logged.artifact_location, model_uuid=logged.model_id, run_id=run_id, model_id=logged.model_id
            ),
            python_model=str(Path(__file__).with_name("pyfunc_model.py")),
            artifacts={"bundle": shutil.copytree(bundle, f"{place}/bundle")},  # MLflow keeps the folder's own name
            code_paths=_copy_code(Path(place)),
            pip_requirements=[f"{name}=={version(name)}" for name in _REQUIREMENTS],
            signature=_signature(card),
            input_example=pd.DataFrame({"image": [example]}),
        )
        store.log_model_artifacts(logged.model_id, f"{place}/model")
    store.finalize_logged_model(logged.model_id, LoggedModelStatus.READY)
    store.log_outputs(run_id, [LoggedModelOutput(logged.model_id, 0)])
    now = int(time.time() * 1000)
    store.log_batch(run_id, [Metric(name, value, now, 0, logged.model_id, run_id=run_id) for name, value in measures.items()])
    return str(logged.model_id)


def _signature(card: ModelCard) -> "ModelSignature":
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    names = ["probability", *(f"probability:{name}" for name in card.classes)]
    outputs = Schema([ColSpec("string", "label"), *(ColSpec("double", name) for name in names)])
    return ModelSignature(Schema([ColSpec("binary", "image")]), outputs)


def _copy_code(place: Path) -> list[str]:
    """The few modules that answering needs, in packages of the same names."""
    for module in _CODE:
        source = _ROOT.joinpath(*module.split(".")).with_suffix(".py")
        for folder in [source, *source.parents]:
            init = folder.parent / "__init__.py"
            if folder.parent == _ROOT:
                break
            (place / init.relative_to(_ROOT)).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(init, place / init.relative_to(_ROOT))
        shutil.copyfile(source, place / source.relative_to(_ROOT))
    return [str(place / package) for package in sorted({module.split(".")[0] for module in _CODE})]


def _stable(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _stable(part) for name, part in value.items() if not any(word in name for word in _MEASURED)}
    return [_stable(part) for part in value] if isinstance(value, list) else value
