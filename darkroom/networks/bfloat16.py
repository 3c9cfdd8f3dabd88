"""Whether a device computes in bfloat16, and not only stores numbers so."""

import torch


def has_bfloat16(kind: str) -> bool:
    """Whether there are instructions for bfloat16.

    Args:
        kind: `cpu` or `cuda`.
    """
    found: bool = torch.cuda.is_bf16_supported(including_emulation=False) if kind == "cuda" else torch.cpu._is_avx512_bf16_supported()
    return found
