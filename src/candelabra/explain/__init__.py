"""What a network looks at: maps of evidence, filters, feature maps, images that excite or fool it, and measures."""

from candelabra.explain.explanation import Explanation, explain_image, explain_module
from candelabra.explain.methods import METHODS, ExplainSettings
from candelabra.explain.network import HeadNetwork, ModuleNetwork, OppositeNetwork, ScoredNetwork

__all__ = [
    "METHODS",
    "ExplainSettings",
    "Explanation",
    "HeadNetwork",
    "ModuleNetwork",
    "OppositeNetwork",
    "ScoredNetwork",
    "explain_image",
    "explain_module",
]
