"""Devices and processors, shared out among jobs that run at once."""

import os
import shutil
import subprocess
from collections.abc import Mapping

_DEVICES, _THREADS = "CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS"


def divide_devices(workers: int, environment: Mapping[str, str]) -> list[dict[str, str]]:
    """What each worker adds to the environment; nothing where there is one worker, whose job is as if typed.

    Each gets as many devices as all can have, at least one; where there are fewer devices than workers, they go round.
    Without devices, each gets its share of the processors.

    >>> divide_devices(2, {"CUDA_VISIBLE_DEVICES": "0,1,2,3,4", "OMP_NUM_THREADS": "1"})
    [{'CUDA_VISIBLE_DEVICES': '0,1'}, {'CUDA_VISIBLE_DEVICES': '2,3'}]
    >>> divide_devices(3, {"CUDA_VISIBLE_DEVICES": "4,7", "OMP_NUM_THREADS": "1"})
    [{'CUDA_VISIBLE_DEVICES': '4'}, {'CUDA_VISIBLE_DEVICES': '7'}, {'CUDA_VISIBLE_DEVICES': '4'}]
    """
    if workers == 1:
        return [{}]
    found = list_devices(environment)
    each = max(1, len(found) // workers)
    threads = {} if _THREADS in environment else {_THREADS: str(max(1, list_processors() // workers))}
    if not found:
        return [dict(threads) for _ in range(workers)]
    dealt = ([found[(worker * each + i) % len(found)] for i in range(each)] for worker in range(workers))
    return [{_DEVICES: ",".join(some), **threads} for some in dealt]


def list_devices(environment: Mapping[str, str]) -> list[str]:
    """Names of the GPUs that may be used, as `CUDA_VISIBLE_DEVICES` names them."""
    if _DEVICES in environment:
        return [name for name in environment[_DEVICES].split(",") if name.strip() not in ("", "-1", "NoDevFiles")]
    if shutil.which("nvidia-smi") is None:
        return []
    listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=False)
    return [str(number) for number, _ in enumerate(line for line in listed.stdout.splitlines() if "GPU" in line[:4])]


def list_processors() -> int:
    """That this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
