"""Choice of the training precision."""

import torch

from candelabra.errors import CandelabraError

AUTOCAST_TYPES = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}


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


def resolve_precision(precision: str | int | None, accelerator: str) -> str | int | None:
    """Resolves `trainer.precision`; `auto` becomes the fastest precision of the machine.

    Raises:
        CandelabraError: it is a precision for the whole program. Losses are computed in float32 whatever the network
            uses, and half precision would round labels too: 200.6 of a box would be 201 in bfloat16.
    """
    if precision == "auto":
        return choose_precision(accelerator)
    if precision in ("bf16-true", "16-true", "64-true", "64", 64):
        allowed = "auto, 32-true, bf16-mixed, 16-mixed"
        raise CandelabraError(
            f"trainer.precision={precision} would hold for labels and losses too, which are float32; allowed are "
            f"{allowed}."
        )
    return precision
