"""What was measured on this machine, kept in the folder of caches: each measurement is made once."""

import json
import platform
from collections.abc import Callable, Collection
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch

from candelabra.storage.atomic import write_atomically
from candelabra.storage.cache_folder import find_cache_folder
from candelabra.storage.locks import hold_lock


def load_measurement(
    cache: str, about: Any, names: Collection[str], measure: Callable[[], dict[str, float]]
) -> dict[str, float]:
    """What `measure` returned on this CPU before, else what it returns now; processes that ask together measure once.

    Args:
        cache: name of the folder in the folder of caches.
        about: plain values that tell this measurement from others, such as a config; processor, number of threads and
            version of torch are added.
        names: of the numbers that it returns; a file without one of them is measured anew.
        measure: -> numbers by name.
    """
    cpu = (_find_cpu_name(), torch.get_num_threads(), str(torch.__version__), "freed memory is kept")
    key = sha256(json.dumps([cpu, *about], sort_keys=True, default=str).encode()).hexdigest()[:32]
    folder = find_cache_folder(cache)
    file = folder / f"{key}.json"
    found: dict[str, float] | None = None
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with hold_lock(folder / f"{key}.lock"):
            found = _read_numbers(file, names)
            if found is None:
                write_atomically(file, json.dumps(found := measure()))
    except OSError:  # a folder that cannot be written to costs the cache, not the run
        found = found or measure()
    return found


def _read_numbers(file: Path, names: Collection[str]) -> dict[str, float] | None:
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
        return {name: float(document[name]) for name in names}
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _find_cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
