"""Export the backbone of a run to a folder; timm can load it if the backbone is one of timm's."""

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

_MODES = {"stretch": "squash", "letterbox": "border", "crop": "center"}  # data.resize -> timm's crop_mode
JsonValue = dict[str, Any]


def export_backbone(backbone: Backbone, recipe: JsonValue, run: Path, folder: Path, licence: str | None) -> list[str]:
    """Write model.safetensors, config.json and README.md, then load them again and compare the features.

    Args:
        backbone: of a trained task; its adapters are merged.
        recipe: of that task, see `Task`.
        run: folder of the run.
        folder: a new or empty folder, or an exported backbone, which is replaced.
        licence: licence of the exported backbone; null if it is undecided.

    Returns:
        Remarks for the user, one sentence each.

    Raises:
        CandelabraError: the folder contains other files.
    """
    check_export_folder(folder)
    config = recipe["config"]
    notes = merge_lora(backbone)
    network: Any = backbone.network
    network.to(memory_format=torch.contiguous_format)  # safetensors saves contiguous tensors only
    state = network.state_dict()
    metadata = _collect_metadata(backbone, recipe, run, licence)
    folder.mkdir(parents=True, exist_ok=True)
    if isinstance(backbone, Timm):
        missing = _make_missing_tensors(backbone, config["backbone"], state)
        state |= missing
        metadata["zeros"] = sorted(missing)
    (folder / "README.md").write_text(
        format_model_card(metadata, config["backbone"], backbone, folder.name), encoding="utf-8"
    )
    data_config = _describe_input(backbone, config["data"])
    if isinstance(backbone, Timm):
        own = {"license": licence or "other", "tag": "candelabra"}
        model_config = {"candelabra": metadata, "pretrained_cfg": own}
        save_for_hf(network, str(folder), model_config=model_config, safe_serialization=True, data_config=data_config)
    else:
        plain = {"architecture": backbone.name, "pretrained_cfg": data_config, "candelabra": metadata}
        (folder / EXPORT_FILES[1]).write_text(json.dumps(plain, indent=2), encoding="utf-8")
    save_file(state, folder / EXPORT_FILES[0], metadata={"format": "pt"})
    if isinstance(backbone, Timm):
        _check_equal_in_timm(backbone, folder, data_config)
    load_exported_config(folder)  # raises here if loading would refuse the config
    return [*notes, *_format_remarks(metadata, licence)]


def check_export_folder(folder: Path) -> None:
    """Check that a folder is new, empty or an exported backbone.

    Raises:
        CandelabraError: it contains other files.
    """
    if folder.is_dir() and any(path.name not in (*EXPORT_FILES, "README.md") for path in folder.iterdir()):
        raise CandelabraError(f"folder={folder} contains something else than an exported backbone; give a new folder.")


def _collect_metadata(backbone: Backbone, recipe: JsonValue, run: Path, licence: str | None) -> JsonValue:
    """Return what config.json contains beside timm's own keys: architecture and training, without local paths."""
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
            "images": _count_images(run),
            "size": config["data"].get("size"),
            "labels": recipe["labels"],
            "finetune": config["finetune"]["_target_"].rpartition(".")[2],
            "epochs": config["trainer"].get("max_epochs"),
            "seed": config["seed"],
        },
        "metrics": {key: value for key, value in numbers.items() if key.startswith(("test/", "val/"))},
    }


def _count_images(run: Path) -> dict[str, int]:
    """Count the images of each split of a run; empty without splits.csv."""
    if not (run / "splits.csv").is_file():
        return {}
    with (run / "splits.csv").open(newline="", encoding="utf-8") as file:
        return dict(Counter(row["split"] for row in csv.DictReader(file)))


def _describe_input(backbone: Backbone, data: Mapping[str, Any]) -> JsonValue:
    """Return the preprocessing of images with timm's keys and values."""
    size = data.get("size") or backbone.side
    height, width = (size, size) if isinstance(size, int) else size
    return {
        "input_size": [backbone.mean.shape[0], height, width],
        "mean": _round_to_list(backbone.mean),
        "std": _round_to_list(backbone.std),
        "interpolation": "bilinear",
        "crop_pct": 1.0,
        "crop_mode": _MODES.get(data.get("resize", "stretch"), "squash"),
    }


def _round_to_list(values: Tensor) -> list[float]:
    """Return the values without the digits that float32 adds."""
    return [round(value, 7) for value in values.flatten().tolist()]


def _make_missing_tensors(backbone: Timm, node: Mapping[str, Any], state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return zeros for layers between features and classifier: timm creates them, our backbones drop them."""
    options = {"in_chans": node["in_channels"], "num_classes": 0, **(node["options"] or {})}
    with torch.device("meta"):
        whole: nn.Module = timm.create_model(node["name"], **options)
    return {
        name: torch.zeros(tensor.shape, dtype=tensor.dtype)
        for name, tensor in whole.state_dict().items()
        if name not in state
    }


@torch.no_grad()
def _check_equal_in_timm(backbone: Timm, folder: Path, data_config: Mapping[str, Any]) -> None:
    """Raise AssertionError if timm computes other features with the exported weights."""
    theirs: Any = timm.create_model(f"local-dir:{folder.absolute()}", pretrained=True).eval()
    images = torch.rand(2, *data_config["input_size"], generator=torch.Generator().manual_seed(0))
    pixels = (images - backbone.mean) / backbone.std
    found = [model.forward_features(pixels).nan_to_num() for model in (backbone.network, theirs)]  # nan != nan
    assert torch.equal(*found), "timm computes other features with this exported backbone"


def _format_remarks(metadata: Mapping[str, Any], licence: str | None) -> list[str]:
    remarks = []
    if metadata.get("zeros"):
        remarks.append(
            f"{len(metadata['zeros'])} tensors between features and timm's classifier ({metadata['zeros'][0]}, ...) "
            "are no part of a backbone and are written as zeros: use forward_features, as timm's pooled output is 0."
        )
    if licence is None:
        initial = metadata["began_from"]["licence"]
        remarks.append(
            f"No licence was given (licence=<name>); the initial weights have the licence {initial}."
            if initial
            else "No licence was given (licence=<name>)."
        )
    return remarks
