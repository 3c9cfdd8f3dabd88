"""`mlflow/serve.py` as a module: its folder is no package."""

import importlib.util
from types import ModuleType

from tests.servers import ROOT


def _load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("darkroom_mlflow_serve", ROOT / "mlflow" / "serve.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


serve = _load()
