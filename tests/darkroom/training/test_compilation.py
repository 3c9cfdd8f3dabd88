"""Whether a training is compiled: what is tried and what is not, that it is settled once, and that a resumed training goes on the same."""

import dataclasses
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from darkroom.training import compilation
from darkroom.training.compilation import NAME, Compilation, measure, private_cache, settle
from darkroom.training.loop import fit
from tests.darkroom.training.test_loop import SETTINGS, Network, problem

COMPILED = dataclasses.replace(SETTINGS, compile="on", device="cpu")


def network() -> nn.Module:
    return Network().layers


def settled(compile: Any, checkpoint: Path | None = None, obstacle: str = "", **values: Any) -> Compilation:
    settings = dataclasses.replace(COMPILED, compile=compile, **values)
    with private_cache():
        return settle(network(), problem(), settings, checkpoint, obstacle)


def weights_of(checkpoint: Path | None = None, **options: Any) -> torch.Tensor:
    made = network()
    torch.compiler.reset()
    with private_cache():
        fit(made, problem(), COMPILED, checkpoint=checkpoint, **options)
    return torch.cat([value.flatten() for value in made.parameters()]).detach()


@pytest.mark.parametrize(
    ("compile", "values", "reason", "is_warning"),
    [
        ("off", {}, "as train.compile says", False),
        ("auto", {}, "on a CPU", False),
        ("on", {"obstacle": "several processes train together"}, "several processes", True),
        ("auto", {"obstacle": "several processes train together"}, "several processes", False),
        ("on", {"first_side_share": 0.5}, "train.first_side_share", True),
        ("on", {"unfreeze_epochs": 2}, "train.unfreeze_epochs", True),
    ],
)
def test_nothing_is_tried_where_it_is_not_asked_for_or_can_t_pay(compile: Any, values: Any, reason: str, is_warning: bool) -> None:
    found = settled(compile, **values)
    assert (found.is_on, found.was_measured, found.is_warning) == (False, False, is_warning)
    assert reason in str(found)


def test_few_steps_are_timed_but_not_compiled() -> None:
    found = measure(network(), problem(), COMPILED)
    assert not (found.is_on or found.was_measured or found.is_warning)
    assert str(found).startswith("torch.compile is off: 9 steps of ")


@pytest.mark.slow
def test_a_compiler_that_is_missing_leaves_steps_as_they_are_and_who_asked_is_warned(monkeypatch: pytest.MonkeyPatch) -> None:
    from torch._inductor import config

    monkeypatch.setattr(compilation, "COMPILING_S", 0.0)
    with config.patch({"cpp.cxx": ("/no/such/compiler",)}), private_cache():
        asked, auto = settled("on"), measure(network(), problem(), dataclasses.replace(COMPILED, compile="auto"))
    assert [(found.is_on, found.was_measured, found.is_warning) for found in (asked, auto)] == [(False, False, True), (False, False, False)]
    assert all(str(found).startswith("torch.compile is off: compiling failed (") for found in (asked, auto))


@pytest.mark.slow
def test_it_is_settled_once_for_a_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = settled("on", tmp_path)
    assert found == Compilation(True, "as train.compile says")
    written = (tmp_path / NAME).stat().st_mtime_ns
    assert settled("on", tmp_path) == found
    assert (tmp_path / NAME).stat().st_mtime_ns == written
    assert not settled("on", tmp_path, obstacle="several processes train together").is_on
    monkeypatch.setattr(compilation, "COMPILING_S", 0.0)
    with private_cache():
        measured = measure(network(), problem(), COMPILED)
    assert measured.was_measured and " ms compiled, and " in measured.reason


@pytest.mark.slow
def test_compiled_steps_learn_the_same_and_a_resumed_training_ends_with_the_same_bits(tmp_path: Path) -> None:
    def stop(epoch: int, row: dict[str, float]) -> None:
        if epoch == 1:
            raise KeyboardInterrupt

    plain = network()
    fit(plain, problem(), dataclasses.replace(COMPILED, compile="off"))
    whole = weights_of()
    torch.testing.assert_close(whole, torch.cat([value.flatten() for value in plain.parameters()]).detach(), rtol=0, atol=1e-5)
    with pytest.raises(KeyboardInterrupt):
        weights_of(tmp_path, on_epoch=stop)
    assert torch.equal(weights_of(tmp_path), whole)


def test_code_is_kept_where_only_this_user_writes_and_what_the_user_set_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR", raising=False)
    monkeypatch.setenv("TRITON_CACHE_DIR", "/theirs")
    with private_cache():
        folder = Path(os.environ["TORCHINDUCTOR_CACHE_DIR"])
        assert folder.stat().st_mode & 0o077 == 0
        assert os.environ["TRITON_CACHE_DIR"] == "/theirs"
    assert not folder.exists() and "TORCHINDUCTOR_CACHE_DIR" not in os.environ
    assert os.environ["TRITON_CACHE_DIR"] == "/theirs"
