"""Weights in files of any trainer: read without executing pickles, and found under whatever names they have."""

import argparse
import logging
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from candelabra.errors import CandelabraError
from candelabra.storage.archives import check_archive

log = logging.getLogger(__name__)
StateDict = dict[str, Tensor]
_DEPTH = 4  # of dictionaries in a file: {"model": {"student": {...}}}
_WRAPPERS = ("_orig_mod", "module")  # of torch.compile and of DDP, anywhere in a name


def read_state_dict(path: Path) -> StateDict:
    """Reads the tensors of a file, by their names, with the names of dictionaries in front that hold them.

    Args:
        path: safetensors, or what torch.save wrote: a state dict, or a checkpoint that holds some.

    Raises:
        CandelabraError: it is neither, holds no tensors, or would fill the memory.
    """
    try:
        if path.suffix == ".safetensors":
            content: Any = safetensors.torch.load_file(path)
        else:
            check_archive(path)
            with torch.serialization.safe_globals([argparse.Namespace]):  # timm's checkpoints hold their arguments
                content = torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except Exception as error:  # torch, pickle, zip and safetensors raise different errors
        raise CandelabraError(
            f"backbone.weights={path} cannot be read as a plain state dict or safetensors "
            f"({type(error).__name__}: {' '.join(str(error).split())[:200]}); save it with "
            "torch.save(model.state_dict(), path)."
        ) from error
    found = dict(_list_tensors(content, "", 0))
    if not found:
        raise CandelabraError(
            f"backbone.weights={path} holds no tensors; save it with torch.save(model.state_dict(), path)."
        )
    return found


def strip_prefix(state: Mapping[str, Tensor], expected: Mapping[str, Tensor], path: Path) -> StateDict:
    """Those tensors that a network has, under its names: what stands before all of them is taken away.

    Of several networks that fit equally an average of weights comes first (`ema`, `teacher`), as in timm, and a line
    says so.

    Args:
        state: names such as `state_dict.model.backbone.conv1.weight`.
        expected: the state dict of the network.
        path: of the file, for the line.
    """
    endings = [name for index, name in enumerate(expected) if index % max(1, len(expected) // 8) == 0]
    prefixes = {name.removesuffix(end) for end in endings for name in state if name == end or name.endswith(f".{end}")}
    counts = {prefix: sum(f"{prefix}{name}" in state for name in expected) for prefix in prefixes}
    best = [prefix for prefix, count in counts.items() if count == max(counts.values())]
    if not best:
        return {}
    chosen, *others = sorted(
        best, key=lambda prefix: (prefix != "", "ema" not in prefix, "teacher" not in prefix, prefix)
    )
    if others:
        log.warning("%s: the weights called %s... are taken; %s... would fit too", path, chosen, "..., ".join(others))
    return {name: state[f"{chosen}{name}"] for name in expected if f"{chosen}{name}" in state}


def _list_tensors(content: Any, path: str, depth: int) -> Iterator[tuple[str, Tensor]]:
    if not isinstance(content, Mapping) or depth > _DEPTH:
        return
    for key, value in content.items():
        name = ".".join(part for part in f"{path}{key}".split(".") if part not in _WRAPPERS)
        if isinstance(value, Tensor) and value.layout is torch.strided and value.device.type == "cpu":
            yield name, value
        elif isinstance(value, Mapping):
            yield from _list_tensors(value, f"{name}.", depth + 1)
