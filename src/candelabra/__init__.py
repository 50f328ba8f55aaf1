"""candelabra: one pretrained backbone, any set of vision heads."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from candelabra.backbones.catalogue import backbone as backbone
    from candelabra.embedding.embedder import Embedder as Embedder

__version__ = "0.1.0"
RUN = "CANDELABRA_RUN"  # set for the further ranks of a run: the folder whose config.yaml they read
CACHE = "CANDELABRA_CACHE"  # the folder of what runs share; ~/.cache/candelabra where it is not set
SLURM_JOB = "SLURM_JOB_ID"


def __getattr__(name: str) -> Any:
    """`from candelabra import backbone, Embedder` loads torch; `import candelabra` loads nothing."""
    if name == "backbone":
        from candelabra.backbones.catalogue import backbone

        return backbone
    if name == "Embedder":
        from candelabra.embedding.embedder import Embedder

        return Embedder
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
