"""What this machine is fast at."""

import torch


def fast_precision(accelerator: str) -> str:
    """bf16-mixed on a GPU from Ampere on and on a CPU with avx512_bf16 or AMX, else 32-true."""
    if accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available():
        fast = torch.cuda.get_device_capability()[0] >= 8
    elif accelerator in ("auto", "mps") and torch.backends.mps.is_available():
        fast = False
    else:
        # torch has no public name for this in all versions that we support
        fast = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return "bf16-mixed" if fast else "32-true"
