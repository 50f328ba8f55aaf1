"""Where pretrained weights come from: a bundled package, the hub, or a file. Nothing here executes a pickle."""

import json
from collections.abc import Mapping, Sequence
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import timm.models
import torch
from torch import Tensor, nn

from candelabra.environment import NETWORK_TIMEOUT, is_reachable
from candelabra.errors import CandelabraError

EXPORT_FILES = ("model.safetensors", "config.json")  # the files of an exported trunk, as timm names them
_PREFIXES = ("backbone.network.", "network.", "module.", "model.")


def resolve_weights(weights: str, bundled: str | None) -> str:
    """The one place `weights` stands for: bundled, hub, none, or the path of a file.

    Raises:
        CandelabraError: no such package or file.
    """
    if weights == "auto":
        return "bundled" if bundled and find_spec(bundled) else "hub"
    if weights == "bundled" and not (bundled and find_spec(bundled)):
        missing = f"the package {bundled} is not installed" if bundled else "no package ships weights for it"
        raise CandelabraError(
            f"backbone.weights=bundled: {missing}; allowed here are hub, none or a file (backbone=efficientnet_lite0 "
            "has bundled weights)."
        )
    if weights not in ("bundled", "hub", "none") and not _file_in(Path(weights)).is_file():
        raise CandelabraError(
            f"backbone.weights={weights} is not a file; give auto, bundled, hub, none, the path of a file of weights "
            f"(safetensors or a plain state dict), or the folder of an exported trunk, which holds {EXPORT_FILES[0]}."
        )
    return weights


def load_bundled_weights(network: nn.Module, package: str) -> None:
    """Loads the state dict that a package ships; it holds the network's tensors in order, under other names."""
    path = next(Path(str(entry)) for entry in files(package).joinpath("models").iterdir())
    given = timm.models.load_state_dict(str(path))
    expected = network.state_dict()
    # Equal endings and shapes in equal order: tf_efficientnet_lite0 was checked to name a palace and a daisy.
    for (name, tensor), (theirs, value) in zip(expected.items(), given.items(), strict=False):
        if name.split(".")[-1] != theirs.split(".")[-1] or tensor.shape[2:] != value.shape[2:]:
            raise CandelabraError(f"The weights in {package} do not fit: {theirs} stands where {name} belongs.")
    load_state_dict_into(network, dict(zip(expected, given.values(), strict=False)), path)


def load_weights_file(network: nn.Module, path: Path) -> None:
    """Loads a file of weights in timm's or torchvision's names, a checkpoint of ours, or the folder of a trunk.

    Raises:
        CandelabraError: the file cannot be read as plain tensors, or does not fit the network.
    """
    path = _file_in(path)
    try:
        state = timm.models.load_state_dict(str(path))
    except Exception as error:  # torch, pickle, zip and safetensors each raise their own
        raise CandelabraError(
            f"backbone.weights={path} cannot be read as a plain state dict or safetensors "
            f"({type(error).__name__}); save it with torch.save(model.state_dict(), path)."
        ) from error
    load_state_dict_into(network, state, path)


def check_in_channels(given: str, mean: Sequence[float], std: Sequence[float]) -> None:
    """An exported trunk learnt on images that were normalised in one way; with another it would be worse, silently.

    Args:
        given: `backbone.weights`; what is no trunk says nothing of colours.
        mean: of the backbone that is to take them.
        std: likewise.

    Raises:
        CandelabraError: they differ.
    """
    path = Path(given) / EXPORT_FILES[1]
    if not path.is_file():
        return
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        theirs = [list(map(float, told["pretrained_cfg"][key])) for key in ("mean", "std")]
        name = told["architecture"]
    except (ValueError, KeyError, TypeError) as error:
        raise CandelabraError(f"{path} cannot be read ({type(error).__name__}); export the trunk again.") from error
    ours = [list(mean), list(std)]
    if [len(values) for values in ours] == [len(values) for values in theirs] and ours != theirs:
        raise CandelabraError(
            f"backbone.weights={given} was trained with mean {theirs[0]} and std {theirs[1]}, this backbone takes "
            f"{ours[0]} and {ours[1]}; set backbone.mean and backbone.std, or choose the backbone that it was exported "
            f"from (backbone=timm backbone.name={name}, where timm has several weights with their tag)."
        )


def _file_in(path: Path) -> Path:
    return path / EXPORT_FILES[0] if path.is_dir() else path


def load_state_dict_into(network: nn.Module, state: Mapping[str, Tensor], path: Path) -> None:
    """Copies a state dict into a network whose classifier may be missing; first filters are adapted (timm's way)."""
    expected = network.state_dict()
    found: dict[str, Tensor] = {}
    for prefix in ("", *_PREFIXES):
        stripped = {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}
        if len(stripped.keys() & expected.keys()) > len(found):
            found = {key: value for key, value in stripped.items() if key in expected}
    first = next(name for name, tensor in expected.items() if tensor.ndim == 4)
    if first in found and found[first].shape != expected[first].shape:
        found[first] = timm.models.adapt_input_conv(expected[first].shape[1], found[first])
    missing = [name for name in expected if name not in found]
    unlike = [name for name in found if found[name].shape != expected[name].shape]
    if missing or unlike:
        raise CandelabraError(
            f"{path} does not fit this backbone: {len(missing)} of its {len(expected)} tensors are missing"
            f"{f' ({missing[0]}, ...)' if missing else ''} and {len(unlike)} have another shape"
            f"{f' ({unlike[0]}, ...)' if unlike else ''}; choose the backbone the weights were trained with."
        )
    network.load_state_dict(found)


def download_from_hugging_face(config: Mapping[str, Any]) -> Path:
    """The file of a timm model's weights, from the cache or else from the Hugging Face hub.

    Raises:
        CandelabraError: it is not cached and the hub cannot be reached.
    """
    import huggingface_hub
    from huggingface_hub.errors import HfHubHTTPError

    repository, architecture = config.get("hf_hub_id"), config["architecture"]
    if not repository:
        raise CandelabraError(f"timm has no weights for {architecture}; {_ways_out(architecture)}")
    cached = find_cached_hugging_face(config)
    if cached:
        return cached
    names = _names(config)
    _must_reach(huggingface_hub.constants.ENDPOINT, architecture)
    problem: Exception | None = None
    for name in names:
        try:
            return Path(huggingface_hub.hf_hub_download(repository, name, etag_timeout=NETWORK_TIMEOUT))
        except (OSError, HfHubHTTPError, ValueError) as error:
            problem = error
    raise CandelabraError(
        f"The weights of {architecture} could not be fetched from {repository} ({type(problem).__name__}); "
        + _ways_out(architecture)
    ) from problem


def find_cached_hugging_face(config: Mapping[str, Any]) -> Path | None:
    """The file of a timm model's weights, where it was downloaded before."""
    from huggingface_hub import try_to_load_from_cache

    for name in _names(config) if config.get("hf_hub_id") else []:
        cached = try_to_load_from_cache(config["hf_hub_id"], name)
        if isinstance(cached, str):
            return Path(cached)
    return None


def _names(config: Mapping[str, Any]) -> list[str]:
    return [config["hf_hub_filename"]] if config.get("hf_hub_filename") else [EXPORT_FILES[0], "pytorch_model.bin"]


def download_from_url(url: str, architecture: str) -> Path:
    """The file of a torchvision model's weights, from torch's cache or else from its address."""
    path = find_cached_url(url)
    if path.is_file():
        return path
    _must_reach(url, architecture)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        torch.hub.download_url_to_file(url, str(path), hash_prefix=path.stem.rsplit("-", 1)[-1])
    except (OSError, RuntimeError) as error:
        raise CandelabraError(
            f"The weights of {architecture} could not be fetched ({error}); {_ways_out(architecture)}"
        ) from error
    return path


def find_cached_url(url: str) -> Path:
    """Where torch keeps what it downloads from an address."""
    return Path(torch.hub.get_dir(), "checkpoints", url.rsplit("/", 1)[-1])


def _ways_out(architecture: str) -> str:
    return (
        "three ways out: go online (or point HF_ENDPOINT or HTTPS_PROXY at what can be reached), give a file with "
        f"backbone.weights=<file of {architecture}>, or start from other weights: backbone=efficientnet_lite0 "
        "(bundled, no network needed) or backbone.weights=none."
    )


def _must_reach(url: str, architecture: str) -> None:
    """Fails within seconds where a plain download would wait for minutes."""
    if not is_reachable(url):
        raise CandelabraError(
            f"The weights of {architecture} are not on this machine and {urlsplit(url).hostname} does not answer; "
            + _ways_out(architecture)
        )
