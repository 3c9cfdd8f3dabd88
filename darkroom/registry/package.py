"""Packaging: a model's folder as a logged MLflow model that anyone can load and serve, with signature and example."""

import hashlib
import json
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from darkroom.model import CARD, CARD_FORMAT, GRAPH, WEIGHTS, ModelCard, read_card
from darkroom.notes import KEY as NOTES
from darkroom.tracking.client import client
from darkroom.versions.code import ROOT, imported_files

if TYPE_CHECKING:
    from mlflow.models import ModelSignature

_ENTRY = "darkroom.registry.pyfunc_model"
_REQUIREMENTS = ("mlflow", "numpy", "onnxruntime", "pandas", "pillow")
_FOR_CORRECTIONS = "opencv-python-headless"
_MEASURED = ("latency", "seconds", "reason")  # parts of names in the card whose values differ from time to time


def bundle_sha256(bundle: Path) -> str:
    """The name of a model: hash of its weights, its graph and its card, without what was measured by the clock and without the notes."""
    digest = hashlib.sha256(json.dumps(_stable(json.loads((bundle / CARD).read_text(encoding="utf-8"))), sort_keys=True).encode())
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
    with tempfile.TemporaryDirectory() as folder:
        package, script = copy_code(Path(folder))
        with _importable(package):
            mlflow.pyfunc.save_model(
                f"{folder}/model",
                mlflow_model=mlflow.models.Model(
                    artifact_path=logged.artifact_location, model_uuid=logged.model_id, run_id=run_id, model_id=logged.model_id
                ),
                python_model=str(script),
                artifacts={"bundle": shutil.copytree(bundle, f"{folder}/bundle")},  # MLflow keeps the folder's own name
                code_paths=[str(package)],
                pip_requirements=requirements_of(card),
                signature=_signature(card),
                input_example=pd.DataFrame({"image": [example]}),
            )
        store.log_model_artifacts(logged.model_id, f"{folder}/model")
    store.finalize_logged_model(logged.model_id, LoggedModelStatus.READY)
    store.log_outputs(run_id, [LoggedModelOutput(logged.model_id, 0)])
    now = int(time.time() * 1000)
    store.log_batch(run_id, [Metric(name, value, now, 0, logged.model_id, run_id=run_id) for name, value in measures.items()])
    return str(logged.model_id)


def requirements_of(card: ModelCard) -> list[str]:
    """The packages that a model needs to answer, in the versions of this environment."""
    names = (*_REQUIREMENTS, _FOR_CORRECTIONS) if card.corrections.names else _REQUIREMENTS
    return [f"{name}=={version(name)}" for name in names]


def _signature(card: ModelCard) -> "ModelSignature":
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    names = ["probability", *(f"probability:{name}" for name in card.classes)]
    outputs = Schema([ColSpec("string", "label"), *(ColSpec("double", name) for name in names)])
    return ModelSignature(Schema([ColSpec("binary", "image")]), outputs)


def copy_code(folder: Path) -> tuple[Path, Path]:
    """Writes the code that a registered model takes with it: a package that needs nothing else of the product.

    Its name has the number of the cards that it reads and a hash of its content, such as `darkroom_model_2_1c5ab90e`: so it
    is never taken for the product, nor for the code of another version of it, when one process loads several models.

    Args:
        folder: Where the package and the script that loads it are written.

    Returns:
        The package's folder, and the script that MLflow runs.
    """
    sources = {path.relative_to(ROOT / "darkroom"): path.read_text(encoding="utf-8") for path in imported_files(_ENTRY)}
    digest = hashlib.sha256(json.dumps(sorted((str(path), text) for path, text in sources.items())).encode()).hexdigest()
    package = folder / f"darkroom_model_{CARD_FORMAT.number}_{digest[:8]}"
    for path, text in sources.items():
        target = package / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(re.sub(r"^(\s*)from darkroom\b", rf"\1from {package.name}", text, flags=re.MULTILINE), encoding="utf-8")
    script = package.joinpath(*_ENTRY.split(".")[1:]).with_suffix(".py")
    return package, script.replace(folder / script.name)


@contextmanager
def _importable(package: Path) -> Iterator[None]:
    """Lets MLflow import the package, since it runs the script once when it saves a model; leaves no trace of it."""
    path = list(sys.path)
    sys.path.insert(0, str(package.parent))
    try:
        yield
    finally:
        sys.path[:] = path
        for name in [name for name in sys.modules if name.partition(".")[0] == package.name]:
            del sys.modules[name]


def _stable(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _stable(part) for name, part in value.items() if name != NOTES and not any(word in name for word in _MEASURED)}
    return [_stable(part) for part in value] if isinstance(value, list) else value
