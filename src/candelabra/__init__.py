"""candelabra: one pretrained backbone, any set of vision heads."""

from typing import Any

__version__ = "0.1.0"
RUN = "CANDELABRA_RUN"  # set for the further ranks of a run: the folder whose config.yaml they read
CACHE = "CANDELABRA_CACHE"  # the folder of what runs share; ~/.cache/candelabra where it is not set
SLURM_JOB = "SLURM_JOB_ID"


def __getattr__(name: str) -> Any:
    """What needs torch is loaded when it is first asked for: `from candelabra import Embedder`."""
    if name == "Embedder":
        from candelabra.embedding.embedder import Embedder

        return Embedder
    raise AttributeError(f"module 'candelabra' has no attribute {name!r}")
