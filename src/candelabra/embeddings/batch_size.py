"""How many images go through a network at once: as many as memory holds and speed profits from."""

import os
from pathlib import Path

import torch

_MOST = {"cuda": 512, "cpu": 32}  # beyond which nothing is faster
_SHARE = 0.25  # of the free memory
_UNKNOWN = 2 * 2**30  # bytes that are taken for free where the system does not tell


def choose_batch_size(bytes_an_image: int, device: torch.device) -> int:
    """A power of two, from 2 up to what is of use on the device, that takes a quarter of its free memory at most.

    >>> choose_batch_size(10**15, torch.device("cpu")), choose_batch_size(1, torch.device("cpu"))
    (2, 32)
    """
    fitting = int(free_memory(device) * _SHARE / max(1, bytes_an_image))
    size = _MOST.get(device.type, _MOST["cpu"])
    while size > max(2, fitting):
        size //= 2
    return size


def free_memory(device: torch.device) -> int:
    """Bytes of memory that nobody uses; of a CPU's, what the system could give."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))
    except (OSError, StopIteration):
        pass
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return _UNKNOWN
