"""In what precision is computed."""

import pytest
import torch

from darkroom.system.errors import InputError
from darkroom.training.devices import half_precision, precision, products, short_validation

CPU = torch.device("cpu")


@pytest.mark.parametrize("has_it", [True, False])
def test_a_cpu_computes_in_bfloat16_where_it_has_instructions_for_it(monkeypatch: pytest.MonkeyPatch, has_it: bool) -> None:
    monkeypatch.setattr("darkroom.training.devices.has_bfloat16", lambda kind: has_it)
    assert [half_precision(wanted, CPU, 32) for wanted in ("tf32", "off")] == [None, None]
    assert half_precision("auto", CPU, 32) is (torch.bfloat16 if has_it else None)
    assert precision("auto", "cpu", 32) == ("bfloat16" if has_it else "float32")
    assert precision("off", "cpu", 32) == "float32"
    if has_it:
        assert half_precision("bf16", CPU, 16) is torch.bfloat16
    else:
        with pytest.raises(InputError, match=r"^train\.mixed_precision is 'bf16', but this processor .*: set it to auto$"):
            half_precision("bf16", CPU, 16)


def test_a_cpu_validates_in_32_bits_as_the_model_is_used_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("darkroom.training.devices.has_bfloat16", lambda kind: True)
    assert short_validation("auto", CPU) is None
    assert short_validation("auto", torch.device("cuda")) is torch.bfloat16
    assert short_validation("off", torch.device("cuda")) is None


@pytest.mark.parametrize(("wanted", "allowed"), [("auto", True), ("bf16", True), ("tf32", True), ("off", False)])
def test_products_are_short_unless_float32_is_asked_for_and_others_compute_as_before(wanted: str, allowed: bool) -> None:
    flags = [(torch.backends.cuda.matmul, not allowed), (torch.backends.cudnn, not allowed)]
    before = [place.allow_tf32 for place, _ in flags]
    try:
        for place, other in flags:
            place.allow_tf32 = other
        with products(wanted):
            assert [place.allow_tf32 for place, _ in flags] == [allowed, allowed]
        assert [place.allow_tf32 for place, _ in flags] == [not allowed, not allowed]
    finally:
        for (place, _), value in zip(flags, before, strict=True):
            place.allow_tf32 = value


def test_images_too_small_for_bfloat16_to_save_time_are_learnt_in_float32_on_a_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("darkroom.training.devices.has_bfloat16", lambda kind: True)
    gpu, short = torch.device("cuda"), torch.bfloat16
    assert [half_precision("auto", CPU, side) for side in (16, 31, 32, 224)] == [None, None, short, short]
    assert [half_precision(wanted, device, 16) for wanted, device in (("bf16", CPU), ("auto", gpu), ("off", gpu))] == [short, short, None]
    assert [precision("auto", "cpu", side) for side in (16, 32)] == ["float32", "bfloat16"]
