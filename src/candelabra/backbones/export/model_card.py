"""The README.md of an exported trunk, as the Hugging Face hub shows it."""

import json
from collections.abc import Mapping
from typing import Any

from candelabra.backbones import Backbone, Timm


def format_model_card(told: Mapping[str, Any], node: Mapping[str, Any], backbone: Backbone, name: str) -> str:
    """What it is, what it learnt from, how it is loaded.

    Args:
        told: the part of config.json that is ours.
        node: how the backbone is built.
        backbone: of the run.
        name: of the folder.
    """
    training = told["training"]
    by_timm = isinstance(backbone, Timm)
    head = {"license": told["licence"] or "other", "library_name": "timm" if by_timm else "candelabra"}
    head |= {"pipeline_tag": "image-feature-extraction"}
    images = ", ".join(f"{count} {split}" for split, count in training["images"].items())
    began = told["began_from"]
    lines = [
        "---",
        *(f"{key}: {value}" for key, value in head.items()),
        "tags:\n- candelabra",
        "---",
        f"# {name}",
        "",
        f"The backbone (`{backbone.name}`, {sum(p.numel() for p in backbone.parameters()):,} weights, "
        f"without a classifier) of a {training['task']} run of candelabra {told['version']}, which began from weights "
        f"`{began['weights']}`{' under ' + began['licence'] if began['licence'] else ''}.",
        "",
        f"- data: {', '.join(training['data'])}{f' ({images} images)' if images else ''}, at {training['size']} pixels",
        f"- labels: {_labels(training['labels'])}",
        f"- finetune: {training['finetune']}, {training['epochs']} epochs, seed {training['seed']}",
        *(f"- {key}: {value:.4f}" for key, value in told["metrics"].items() if key.startswith("test/")),
        "",
        "```python",
        *(_in_timm() if by_timm else []),
        "from candelabra import create_backbone",
        "",
        'trunk = create_backbone("this-folder")  # images uint8, or float in [0, 1]; it normalises them itself',
        "```",
        "",
        f"`candelabra train backbone.weights=this-folder {_words(node)}` starts a task from it.",
    ]
    if told.get("zeros"):
        lines += ["", f"Not learnt, written as zeros: {', '.join(told['zeros'])}; use `forward_features`."]
    return "\n".join(lines) + "\n"


def _in_timm() -> list[str]:
    return [
        "import timm",
        "",
        'model = timm.create_model("local-dir:this-folder", pretrained=True)  # or "hf-hub:<owner>/<name>"',
        "",
    ]


def _labels(labels: Mapping[str, Any]) -> str:
    """Names of classes and points, no more than a line of them."""
    text = json.dumps(labels, ensure_ascii=False)
    return text if len(text) <= 400 else f"{text[:400]}..."


def _words(node: Mapping[str, Any]) -> str:
    kind = node["_target_"].rpartition(".")[2]
    return f"backbone=timm backbone.name={node['name']}" if kind == "Timm" else f"with the backbone {kind}"
