"""Weights of a registered model: settled by number when a run is planned, and files once a step starts."""

from pathlib import Path
from typing import Any

import pytest

from components.embed.config import EmbedConfig
from components.train.config import TrainConfig
from darkroom.registry import registry
from darkroom.registry.package import bundle_sha256
from darkroom.runtime import step
from darkroom.system.errors import InputError
from darkroom.tracking.tags import SHA256, VECTORS
from pipelines.params import frozen
from tests.pipelines.conftest import Toys


@pytest.mark.parametrize("named", ["models:/toys@champion", "models:/toys/1", "models:/toys"])
def test_a_run_records_which_version_it_started_from(toys: Toys, named: str) -> None:
    best = registry.champion("toys")
    assert best is not None
    settings = frozen({"embed": {"weights": named}, "train": {"weights": named}})
    assert [settings[section] for section in ("embed", "train")] == [
        {"weights": "models:/toys/1", "weights_version": best.tags[SHA256][:20]}
    ] * 2
    assert frozen(settings) == settings


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"weights": "models:/toys@nobody"}, r"train\.weights is 'models:/toys@nobody': there is no model .* toys \(versions up to 1"),
        (
            {"weights": "models:/toys/1", "weights_version": "0" * 20},
            r"is now version [0-9a-f]{20}, not the 0{20} of train\.weights_version",
        ),
    ],
)
def test_what_the_registry_does_not_have_is_told_before_a_step_starts(toys: Toys, section: dict[str, str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        frozen({"train": section})


@pytest.mark.parametrize("kept", [True, False])
def test_a_step_gets_the_files(toys: Toys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: bool) -> None:
    best, seen = registry.champion("toys"), dict[str, Any]()
    assert best is not None
    content = best.tags[SHA256]

    def started(*, config: TrainConfig | EmbedConfig, network: dict[str, Any]) -> dict[str, float]:
        own, other = Path(config.weights), Path(network["weights"])
        folder = own if own.is_dir() else own.parent
        seen[type(config).__name__] = (own.name, other.name, bundle_sha256(folder) == content, other.is_file())
        seen["folder"] = folder.parent
        return {}

    monkeypatch.setattr(step, "function_of", lambda _: started)
    monkeypatch.setattr(step, "arguments_of", lambda _: {"network": None})
    monkeypatch.setattr(step, "_is_path", lambda _: False)
    if kept:
        monkeypatch.setenv(VECTORS, str(tmp_path / "vectors"))
    for name in ("embed", "train"):
        given = {"network": {"weights": "models:/toys/1"}}
        assert step.call(name, {"weights": "models:/toys/1"}, given, lambda epoch, row: None) == {}
    assert seen["EmbedConfig"] == (seen["EmbedConfig"][0], "weights.safetensors", True, True)
    assert seen["TrainConfig"] == ("weights.safetensors", "weights.safetensors", True, True)
    assert seen["folder"].exists() == kept
    assert not kept or seen["folder"] == tmp_path / "models"
