"""The batch size of inference: as large as free memory allows and speed profits from."""

import psutil
import torch

_MAX_SIZE = {"cuda": 512, "cpu": 32}  # larger batches are not faster
_MEMORY_SHARE = 0.25  # of the free memory, for one batch


def choose_batch_size(bytes_an_image: int, device: torch.device) -> int:
    """Chooses a power of two, of at least 2, that takes at most a quarter of the device's free memory.

    Args:
        bytes_an_image: peak memory that one image needs.
        device: where the network runs.


    >>> choose_batch_size(10**15, torch.device("cpu")), choose_batch_size(1, torch.device("cpu"))
    (2, 32)
    """
    fitting = int(measure_free_memory(device) * _MEMORY_SHARE / max(1, bytes_an_image))
    size = _MAX_SIZE.get(device.type, _MAX_SIZE["cpu"])
    while size > max(2, fitting):
        size //= 2
    return size


def measure_free_memory(device: torch.device) -> int:
    """Bytes that can be allocated on a device without swapping."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    return int(psutil.virtual_memory().available)
