"""candelabra: one pretrained backbone, any set of vision heads."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from candelabra.environment import __version__ as __version__

if TYPE_CHECKING:
    from candelabra.backbones.registry import create_backbone as create_backbone
    from candelabra.embeddings.embedder import Embedder as Embedder
    from candelabra.prediction.model import Model as Model

_HOMES = {  # `from candelabra import Model` loads torch; `import candelabra` loads nothing
    "create_backbone": "candelabra.backbones.registry",
    "Embedder": "candelabra.embeddings.embedder",
    "Model": "candelabra.prediction.model",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*globals(), *_HOMES]
