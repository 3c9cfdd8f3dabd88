"""In what precision is computed."""

import pytest
import torch

from darkroom.networks.bfloat16 import has_bfloat16
from darkroom.system.errors import InputError
from darkroom.training.devices import half_precision, products

CPU = torch.device("cpu")


def test_a_cpu_computes_in_32_bits_unless_bfloat16_is_asked_for_by_name() -> None:
    assert [half_precision(wanted, CPU) for wanted in ("auto", "tf32", "off")] == [None, None, None]
    if has_bfloat16("cpu"):
        assert half_precision("bf16", CPU) is torch.bfloat16
    else:
        with pytest.raises(InputError, match=r"^train\.mixed_precision is 'bf16', but this processor .*: set it to auto$"):
            half_precision("bf16", CPU)


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
