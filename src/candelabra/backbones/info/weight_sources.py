"""Find where the published weights of a backbone are, without downloading them."""

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any, Literal

from candelabra.backbones.weights import find_cached_hugging_face, find_cached_url

WeightSource = Literal["bundled", "cached", "hub", "none"]


def find_weight_source(node: Mapping[str, Any]) -> WeightSource:
    """Return the source of the weights of a backbone.

    Args:
        node: config of the backbone.

    Returns:
        bundled (with an installed package), cached (downloaded earlier), hub, or none (not published).
    """
    if node["weights"] == "none":
        return "none"
    if node.get("bundled") and find_spec(node["bundled"]):
        return "bundled"
    if node["_target_"].endswith(".Torchvision"):
        import torchvision

        return (
            "cached"
            if find_cached_url(torchvision.models.get_model_weights(node["name"])["DEFAULT"].url).is_file()
            else "hub"
        )
    import timm

    config: Any = timm.get_pretrained_cfg(node["name"], allow_unregistered=True)
    if config is None or not config.hf_hub_id:
        return "none"
    return "cached" if find_cached_hugging_face(config.to_dict()) else "hub"
