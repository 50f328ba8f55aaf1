"""What this machine is fast at."""

import torch

from candelabra.errors import CandelabraError


def choose_precision(accelerator: str) -> str:
    """bf16-mixed on a GPU from Ampere on and on a CPU with avx512_bf16 or AMX, else 32-true."""
    if accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available():
        fast = torch.cuda.get_device_capability()[0] >= 8
    elif accelerator in ("auto", "mps") and torch.backends.mps.is_available():
        fast = False
    else:
        # torch has no public name for this in all versions that we support
        fast = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return "bf16-mixed" if fast else "32-true"


def resolve_precision(asked: str | int | None, accelerator: str) -> str | int | None:
    """What a trainer is told; `auto` is decided.

    Raises:
        CandelabraError: it is one for the whole program. Losses are computed in float32 whatever the network is in,
            and halves would round the labels as well: 200.6 of a box would be 201 in bfloat16.
    """
    if asked == "auto":
        return choose_precision(accelerator)
    if asked in ("bf16-true", "16-true", "64-true", "64", 64):
        allowed = "auto, 32-true, bf16-mixed, 16-mixed"
        raise CandelabraError(
            f"trainer.precision={asked} would hold for labels and losses too, which are float32; allowed are {allowed}."
        )
    return asked
