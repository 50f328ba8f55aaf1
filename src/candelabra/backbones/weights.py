"""Load pretrained weights from a bundled package, the hub or a file, without executing pickles."""

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import timm.models
import torch
from torch import Tensor, nn

from candelabra.backbones.state_dicts import read_state_dict, strip_prefix
from candelabra.environment import EXTRAS, NETWORK_TIMEOUT, format_missing, is_reachable
from candelabra.errors import CandelabraError
from candelabra.storage.documents import load_json

LOADING_OPTIONS = {"checkpoint_path", "pretrained", "pretrained_cfg", "pretrained_cfg_overlay", "cache_dir"}  # of timm
EXPORT_FILES = ("model.safetensors", "config.json")  # the files of an exported backbone, named as timm names them


def resolve_weights(weights: str, bundled: str | None) -> str:
    """Resolve `backbone.weights` to bundled, hub, none, or the path of a file.

    Args:
        weights: auto, bundled, hub, none, or a path.
        bundled: package that ships weights for the backbone; null if there is none.

    Raises:
        CandelabraError: the package is not installed, or the file does not exist.
    """
    if weights == "auto":
        return "bundled" if _is_bundled(bundled) else "hub"
    if weights == "bundled" and not _is_bundled(bundled):
        if bundled in EXTRAS:
            raise CandelabraError(format_missing(str(bundled), "backbone.weights=bundled", "choose other weights"))
        missing = f"the package {bundled} is not installed" if bundled else "no package ships weights for it"
        raise CandelabraError(
            f"backbone.weights=bundled: {missing}; allowed here are hub, none or a file (backbone=efficientnet_lite0 "
            "has bundled weights)."
        )
    if weights not in ("bundled", "hub", "none") and not _resolve_file(Path(weights)).is_file():
        raise CandelabraError(
            f"backbone.weights={weights} is not a file; give auto, bundled, hub, none, the path of a weights file "
            f"(safetensors or a plain state dict), or the folder of an exported backbone with {EXPORT_FILES[0]}."
        )
    return weights


def _is_bundled(package: str | None) -> bool:
    """Whether a package is there; nothing is imported, as it would be to find `one.two`."""
    return package is not None and package.isidentifier() and find_spec(package) is not None


def load_bundled_weights(network: nn.Module, package: str) -> None:
    """Load the state dict that a package ships; it has the tensors of the network in order, under other names."""
    spec = find_spec(package)  # the package itself is not imported
    folders = list(spec.submodule_search_locations or ()) if spec is not None else []
    files = [path for folder in folders for path in Path(folder, "models").glob("[!._]*") if path.is_file()]
    path = max(files, key=lambda path: path.stat().st_size)
    given = read_state_dict(path)
    expected = network.state_dict()
    # Names must end equally and shapes agree, in order. Checked: with them tf_efficientnet_lite0, 1 and 2 tell
    # breeds of pets apart by the nearest class mean (0.98, 1.00, 1.00 of 200 photos).
    for (name, tensor), (theirs, value) in zip(expected.items(), given.items(), strict=False):
        if name.split(".")[-1] != theirs.split(".")[-1] or tensor.shape[2:] != value.shape[2:]:
            raise CandelabraError(f"The weights in {package} do not fit: {theirs} was found in place of {name}.")
    load_state_dict_into(network, dict(zip(expected, given.values(), strict=False)), path)


def load_weights_file(network: nn.Module, path: Path) -> None:
    """Load weights into a network.

    Args:
        network: is changed in place.
        path: a weights file with timm's or torchvision's names, a checkpoint of candelabra, or the folder of an
            exported backbone.

    Raises:
        CandelabraError: the file cannot be read as plain tensors, or does not fit the network.
    """
    path = _resolve_file(path)
    state = read_state_dict(path)
    load_state_dict_into(network, state, path)


def check_in_channels(given: str, mean: Sequence[float], std: Sequence[float]) -> None:
    """Check that an exported backbone was trained with this normalisation; another would silently be less accurate.

    Args:
        given: `backbone.weights`; passes unless it is the folder of an exported backbone.
        mean: per channel, of the backbone that loads the weights.
        std: per channel, of the backbone that loads the weights.

    Raises:
        CandelabraError: the exported backbone has another mean or std, or its config.json cannot be read.
    """
    path = Path(given) / EXPORT_FILES[1]
    if not path.is_file():
        return
    try:
        content = load_json(path.read_text(encoding="utf-8"))
        theirs = [list(map(float, content["pretrained_cfg"][key])) for key in ("mean", "std")]
        name = content["architecture"]
    except (ValueError, KeyError, TypeError) as error:
        raise CandelabraError(f"{path} cannot be read ({type(error).__name__}); export the backbone again.") from error
    ours = [list(mean), list(std)]
    if [len(values) for values in ours] == [len(values) for values in theirs] and ours != theirs:
        raise CandelabraError(
            f"backbone.weights={given} was trained with mean {theirs[0]} and std {theirs[1]}, this backbone has "
            f"{ours[0]} and {ours[1]}; set backbone.mean and backbone.std, or choose the backbone that was exported "
            f"(backbone=timm backbone.name={name}, where timm has several weights with their tag)."
        )


def _resolve_file(path: Path) -> Path:
    return path / EXPORT_FILES[0] if path.is_dir() else path


def load_state_dict_into(network: nn.Module, state: Mapping[str, Tensor], path: Path) -> None:
    """Copy a state dict into a network, which may lack the classifier; adapt the first filters to its channels.

    Args:
        network: is changed in place.
        state: tensors by name; what stands before all names, such as `backbone.network.`, is removed.
        path: of the state dict, for messages.

    Raises:
        CandelabraError: tensors are missing or have another shape.
    """
    expected = network.state_dict()
    found = strip_prefix(state, expected, path)
    first = next(name for name, tensor in expected.items() if tensor.ndim == 4)
    if first in found and _differs_in_channels(found[first], expected[first]):
        found[first] = timm.models.adapt_input_conv(expected[first].shape[1], found[first])
    missing = [name for name in expected if name not in found]
    mismatched = [name for name in found if found[name].shape != expected[name].shape]
    if missing or mismatched:
        raise CandelabraError(
            f"{path} does not fit this backbone: {len(missing)} of its {len(expected)} tensors are missing"
            f"{f' ({missing[0]}, ...)' if missing else ''} and {len(mismatched)} have another shape"
            f"{f' ({mismatched[0]}, ...)' if mismatched else ''}; choose the backbone the weights were trained with."
        )
    network.load_state_dict(found)


def _differs_in_channels(given: Tensor, expected: Tensor) -> bool:
    """Whether filters fit but for the channels of the images: those of three can be adapted."""
    return given.ndim == 4 and given.shape[1] == 3 and given[:, :1].shape == expected[:, :1].shape != given.shape


def download_from_hugging_face(config: Mapping[str, Any]) -> Path:
    """Return the weights file of a timm model; download it from the Hugging Face hub if it is not cached.

    Raises:
        CandelabraError: timm has no weights for it, or they are not cached and the hub cannot be reached.
    """
    import huggingface_hub
    from huggingface_hub.errors import HfHubHTTPError

    repository, architecture = config.get("hf_hub_id"), config["architecture"]
    if not repository:
        raise CandelabraError(f"timm has no weights for {architecture}; {_list_alternatives(architecture)}")
    cached = find_cached_hugging_face(config)
    if cached:
        return cached
    names = _list_filenames(config)
    _check_reachable(huggingface_hub.constants.ENDPOINT, architecture)
    problem: Exception | None = None
    for name in names:
        try:
            return Path(huggingface_hub.hf_hub_download(repository, name, etag_timeout=NETWORK_TIMEOUT))
        except (OSError, HfHubHTTPError, ValueError) as error:
            problem = error
    raise CandelabraError(
        f"The weights of {architecture} could not be downloaded from {repository} ({type(problem).__name__}); "
        + _list_alternatives(architecture)
    ) from problem


def find_cached_hugging_face(config: Mapping[str, Any]) -> Path | None:
    """Return the cached weights file of a timm model; null if it is not cached."""
    from huggingface_hub import try_to_load_from_cache

    for name in _list_filenames(config) if config.get("hf_hub_id") else []:
        cached = try_to_load_from_cache(config["hf_hub_id"], name)
        if isinstance(cached, str):
            return Path(cached)
    return None


def _list_filenames(config: Mapping[str, Any]) -> list[str]:
    return [config["hf_hub_filename"]] if config.get("hf_hub_filename") else [EXPORT_FILES[0], "pytorch_model.bin"]


def download_from_url(url: str, architecture: str) -> Path:
    """Return the weights file of a torchvision model; download it from its URL if torch has not cached it.

    Raises:
        CandelabraError: it is not cached and cannot be downloaded.
    """
    path = find_cached_url(url)
    if path.is_file():
        return path
    _check_reachable(url, architecture)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        torch.hub.download_url_to_file(url, str(path), hash_prefix=path.stem.rsplit("-", 1)[-1])
    except (OSError, RuntimeError) as error:
        raise CandelabraError(
            f"The weights of {architecture} could not be downloaded ({error}); {_list_alternatives(architecture)}"
        ) from error
    return path


def find_cached_url(url: str) -> Path:
    """Return the path at which torch caches a download from a URL; the file may not exist."""
    return Path(torch.hub.get_dir(), "checkpoints", url.rsplit("/", 1)[-1])


def _list_alternatives(architecture: str) -> str:
    return (
        "choose one: go online (or set HF_ENDPOINT or HTTPS_PROXY to a reachable server), give a file with "
        f"backbone.weights=<file of {architecture}>, or start from other weights: backbone=efficientnet_lite0 "
        "(bundled, no network needed) or backbone.weights=none."
    )


def _check_reachable(url: str, architecture: str) -> None:
    """Raise within seconds if a server does not answer; a plain download would wait for minutes."""
    if not is_reachable(url):
        raise CandelabraError(
            f"The weights of {architecture} are not on this machine and {urlsplit(url).hostname} does not answer; "
            + _list_alternatives(architecture)
        )
