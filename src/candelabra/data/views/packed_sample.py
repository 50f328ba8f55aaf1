"""One sample as one file: its tensors as they lie in memory, so that a mapped file needs no copy."""

import json
import math
import struct

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from candelabra.types import Sample

_HEADER = struct.Struct("<QQ")  # bytes of the file, and of the JSON that describes the tensors
_ALIGNMENT = 64  # each tensor begins on a cache line


def pack_sample(sample: Sample) -> list[bytes]:
    """Encodes a sample as the parts of a file: its length, a description in JSON, and the bits of each tensor."""
    arrays = {key: value.as_subclass(Tensor).numpy() for key, value in sample.items()}
    arrays["image"] = arrays["image"].transpose(1, 2, 0)  # as decoders give it
    layout = {key: (array.dtype.str, array.shape) for key, array in arrays.items()}
    text = json.dumps(layout).encode()
    parts = [text + bytes(_align(_HEADER.size + len(text)) - _HEADER.size - len(text))]
    parts += [array.tobytes() + bytes(_align(array.nbytes) - array.nbytes) for array in arrays.values()]
    return [_HEADER.pack(_HEADER.size + sum(map(len, parts)), len(text)), *parts]


def unpack_sample(content: NDArray[np.uint8]) -> dict[str, Tensor] | None:
    """Decodes the plain tensors of a packed sample without copying it; returns None where its end is missing."""
    if len(content) < _HEADER.size:
        return None
    length, text = _HEADER.unpack_from(content.data)
    if length != len(content):
        return None
    layout = json.loads(content[_HEADER.size : _HEADER.size + text].tobytes())
    start = _align(_HEADER.size + text)
    tensors = {}
    for key, (kind, shape) in layout.items():
        dtype, count = np.dtype(kind), math.prod(shape)
        tensors[key] = torch.from_numpy(np.frombuffer(content, dtype, count, start).reshape(shape))
        start = _align(start + dtype.itemsize * count)
    tensors["image"] = tensors["image"].permute(2, 0, 1)
    return tensors


def _align(position: int) -> int:
    return -(-position // _ALIGNMENT) * _ALIGNMENT
