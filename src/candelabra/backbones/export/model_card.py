"""The README.md of an exported backbone: its model card on the Hugging Face hub."""

import json
from collections.abc import Mapping
from typing import Any

from candelabra.backbones import Backbone, Timm


def format_model_card(metadata: Mapping[str, Any], node: Mapping[str, Any], backbone: Backbone, name: str) -> str:
    """Format the model card: the architecture, its training data and metrics, and how to load it.

    Args:
        metadata: the entry `candelabra` of config.json.
        node: config of the backbone.
        backbone: of the run.
        name: of the folder.
    """
    training = metadata["training"]
    by_timm = isinstance(backbone, Timm)
    head = {"license": metadata["licence"] or "other", "library_name": "timm" if by_timm else "candelabra"}
    head |= {"pipeline_tag": "image-feature-extraction"}
    images = ", ".join(f"{count} {split}" for split, count in training["images"].items())
    initial = metadata["began_from"]
    lines = [
        "---",
        *(f"{key}: {value}" for key, value in head.items()),
        "tags:\n- candelabra",
        "---",
        f"# {name}",
        "",
        f"The backbone (`{backbone.name}`, {sum(p.numel() for p in backbone.parameters()):,} weights, "
        f"without a classifier) of a {training['task']} run of candelabra {metadata['version']}, trained from weights "
        f"`{initial['weights']}`{' with licence ' + initial['licence'] if initial['licence'] else ''}.",
        "",
        f"- data: {', '.join(training['data'])}{f' ({images} images)' if images else ''}, at {training['size']} pixels",
        f"- labels: {_format_labels(training['labels'])}",
        f"- finetune: {training['finetune']}, {training['epochs']} epochs, seed {training['seed']}",
        *(f"- {key}: {value:.4f}" for key, value in metadata["metrics"].items() if key.startswith("test/")),
        "",
        "```python",
        *(_timm_example() if by_timm else []),
        "from candelabra import create_backbone",
        "",
        'backbone = create_backbone("this-folder")  # takes uint8, or float in [0, 1]; normalises the images itself',
        "```",
        "",
        f"`candelabra train backbone.weights=this-folder {_format_overrides(node)}` starts a task from it.",
    ]
    if metadata.get("zeros"):
        lines += ["", f"Not trained, written as zeros: {', '.join(metadata['zeros'])}; use `forward_features`."]
    return "\n".join(lines) + "\n"


def _timm_example() -> list[str]:
    return [
        "import timm",
        "",
        'model = timm.create_model("local-dir:this-folder", pretrained=True)  # or "hf-hub:<owner>/<name>"',
        "",
    ]


def _format_labels(labels: Mapping[str, Any]) -> str:
    """Format the names of classes and points, cut off after 400 characters."""
    text = json.dumps(labels, ensure_ascii=False)
    return text if len(text) <= 400 else f"{text[:400]}..."


def _format_overrides(node: Mapping[str, Any]) -> str:
    kind = node["_target_"].rpartition(".")[2]
    return f"backbone=timm backbone.name={node['name']}" if kind == "Timm" else f"with the backbone {kind}"
