"""The backbone of a run as a folder that timm loads by itself, where it is timm's; else one that candelabra loads."""

import csv
import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import timm
import torch
from safetensors.torch import save_file
from timm.models import save_for_hf
from torch import Tensor, nn

from candelabra.backbones import Backbone, Timm
from candelabra.backbones.export.lora_merge import merge_lora
from candelabra.backbones.export.model_card import format_model_card
from candelabra.backbones.registry import load_exported_config
from candelabra.backbones.weights import EXPORT_FILES
from candelabra.environment import __version__
from candelabra.errors import CandelabraError

_MODES = {"stretch": "squash", "letterbox": "border", "crop": "center"}  # data.resize -> timm's words
JsonValue = dict[str, Any]


def export_backbone(backbone: Backbone, recipe: JsonValue, run: Path, folder: Path, licence: str | None) -> list[str]:
    """Writes model.safetensors, config.json and README.md, then loads them again and compares features.

    Args:
        backbone: of a trained task.
        recipe: of that task, see `Task`.
        run: the folder of its run.
        folder: a new one, or one with a trunk, which is replaced.
        licence: that the trunk is given; null leaves it open.

    Returns:
        What is to be known of it, in sentences.

    Raises:
        CandelabraError: the folder holds something else.
    """
    check_export_folder(folder)
    config = recipe["config"]
    notes = merge_lora(backbone)
    network: Any = backbone.network
    network.to(memory_format=torch.contiguous_format)  # safetensors wants it so
    state = network.state_dict()
    told = _told(backbone, recipe, run, licence)
    folder.mkdir(parents=True, exist_ok=True)
    if isinstance(backbone, Timm):
        missing = _lacking(backbone, config["backbone"], state)
        state |= missing
        told["zeros"] = sorted(missing)
    (folder / "README.md").write_text(
        format_model_card(told, config["backbone"], backbone, folder.name), encoding="utf-8"
    )
    data_config = _input(backbone, config["data"])
    if isinstance(backbone, Timm):
        own = {"license": licence or "other", "tag": "candelabra"}
        model_config = {"candelabra": told, "pretrained_cfg": own}
        save_for_hf(network, str(folder), model_config=model_config, safe_serialization=True, data_config=data_config)
    else:
        plain = {"architecture": backbone.name, "pretrained_cfg": data_config, "candelabra": told}
        (folder / EXPORT_FILES[1]).write_text(json.dumps(plain, indent=2), encoding="utf-8")
    save_file(state, folder / EXPORT_FILES[0], metadata={"format": "pt"})
    if isinstance(backbone, Timm):
        _same_in_timm(backbone, folder, data_config)
    load_exported_config(folder)  # what is refused on loading would be refused here
    return [*notes, *_remarks(told, licence)]


def check_export_folder(folder: Path) -> None:
    """Refuses a folder that holds something else than an exported backbone.

    Raises:
        CandelabraError: it does.
    """
    if folder.is_dir() and any(path.name not in (*EXPORT_FILES, "README.md") for path in folder.iterdir()):
        raise CandelabraError(f"folder={folder} holds something else than a trunk; give a new one.")


def _told(backbone: Backbone, recipe: JsonValue, run: Path, licence: str | None) -> JsonValue:
    """What config.json says beside what timm reads: how it is built and what it learnt from; no path."""
    config = recipe["config"]
    given = config["backbone"]["weights"]
    place = given if given in ("auto", "bundled", "hub", "none") else Path(given).name
    results = run / "results.json"
    numbers = json.loads(results.read_text(encoding="utf-8")) if results.is_file() else {}
    kinds = {name: each["_target_"] for name, each in config["data"].get("sets", {"": config["data"]}).items()}
    return {
        "version": recipe["version"],
        "exported_by": __version__,
        "backbone": {**config["backbone"], "weights": "none"},
        "began_from": {"weights": place, "licence": backbone.licence if given != "none" else None},
        "licence": licence,
        "plugins": [
            {key: each[key] for key in ("name", "version")}  # a path means nothing on another machine
            for each in recipe.get("plugins", [])
            if each["name"] == config["backbone"]["_target_"].partition(".")[0]
        ],
        "training": {
            "task": config["task"]["_target_"].rpartition(".")[2],
            "data": [kind.rpartition(".")[2] for kind in kinds.values()],
            "images": _images(run),
            "size": config["data"].get("size"),
            "labels": recipe["labels"],
            "finetune": config["finetune"]["_target_"].rpartition(".")[2],
            "epochs": config["trainer"].get("max_epochs"),
            "seed": config["seed"],
        },
        "metrics": {key: value for key, value in numbers.items() if key.startswith(("test/", "val/"))},
    }


def _images(run: Path) -> dict[str, int]:
    if not (run / "splits.csv").is_file():
        return {}
    with (run / "splits.csv").open(newline="", encoding="utf-8") as file:
        return dict(Counter(row["split"] for row in csv.DictReader(file)))


def _input(backbone: Backbone, data: Mapping[str, Any]) -> JsonValue:
    """How images are prepared, in timm's words."""
    size = data.get("size") or backbone.side
    height, width = (size, size) if isinstance(size, int) else size
    return {
        "input_size": [backbone.mean.shape[0], height, width],
        "mean": _numbers(backbone.mean),
        "std": _numbers(backbone.std),
        "interpolation": "bilinear",
        "crop_pct": 1.0,
        "crop_mode": _MODES.get(data.get("resize", "stretch"), "squash"),
    }


def _numbers(values: Tensor) -> list[float]:
    """Without the digits that float32 adds."""
    return [round(value, 7) for value in values.flatten().tolist()]


def _lacking(backbone: Timm, node: Mapping[str, Any], state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Zeros for layers between features and classifier, which timm builds and no backbone of ours has."""
    options = {"in_chans": node["in_channels"], "num_classes": 0, **(node["options"] or {})}
    with torch.device("meta"):
        whole: nn.Module = timm.create_model(node["name"], **options)
    return {
        name: torch.zeros(tensor.shape, dtype=tensor.dtype)
        for name, tensor in whole.state_dict().items()
        if name not in state
    }


@torch.no_grad()
def _same_in_timm(backbone: Timm, folder: Path, data_config: Mapping[str, Any]) -> None:
    """Raises AssertionError where timm alone would make other features of what was written."""
    theirs: Any = timm.create_model(f"local-dir:{folder.absolute()}", pretrained=True).eval()
    images = torch.rand(2, *data_config["input_size"], generator=torch.Generator().manual_seed(0))
    pixels = (images - backbone.mean) / backbone.std
    found = [model.forward_features(pixels).nan_to_num() for model in (backbone.network, theirs)]  # nan is not nan
    assert torch.equal(*found), "timm makes other features of this trunk"


def _remarks(told: Mapping[str, Any], licence: str | None) -> list[str]:
    remarks = []
    if told.get("zeros"):
        remarks.append(
            f"{len(told['zeros'])} tensors between the features and timm's classifier ({told['zeros'][0]}, ...) are no "
            "part of a backbone here, and zeros stand for them: take forward_features, for timm's pooled output is 0."
        )
    if licence is None:
        began = told["began_from"]["licence"]
        remarks.append(
            f"No licence was given (licence=<name>); it began from weights under {began}."
            if began
            else "No licence was given (licence=<name>)."
        )
    return remarks
