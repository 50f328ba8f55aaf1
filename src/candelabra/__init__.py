"""candelabra: one pretrained backbone, any set of vision heads."""

from typing import TYPE_CHECKING, Any

from candelabra.environment import __version__ as __version__

if TYPE_CHECKING:
    from candelabra.backbones.registry import create_backbone as create_backbone
    from candelabra.embeddings.embedder import Embedder as Embedder


def __getattr__(name: str) -> Any:
    """`from candelabra import Embedder, create_backbone` loads torch; `import candelabra` loads nothing."""
    if name == "create_backbone":
        from candelabra.backbones.registry import create_backbone

        return create_backbone
    if name == "Embedder":
        from candelabra.embeddings.embedder import Embedder

        return Embedder
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
