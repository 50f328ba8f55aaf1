"""The formats of an exported model: how each is written, and opened again to be compared."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from numpy.typing import NDArray
from torch import nn

from candelabra.environment import require_package
from candelabra.errors import CandelabraError
from candelabra.export.onnx_file import list_outputs, trace_program, write_onnx
from candelabra.runtime.sessions import OnnxSession, OpenVinoSession, Pixels, Session
from candelabra.types import Size


class TorchExportSession(Session):
    """A program of torch.export, run by torch.

    Args:
        path: of the .pt2 file.
        names: of its outputs, in their order.
    """

    def __init__(self, path: Path, names: Sequence[str]) -> None:
        self.program, self.names = torch.export.load(path).module(), list(names)

    def run(self, images: Pixels, names: Sequence[str]) -> dict[str, NDArray[Any]]:
        with torch.inference_mode():
            found = self.program(torch.from_numpy(images))
        return {name: found[name].numpy() for name in names}


class ModelFormat(NamedTuple):
    """A format.

    Args:
        suffix: of its file.
        write: model, path, (H, W) that the network sees -> the files that were written.
        open: path, names of outputs -> a session.
        packages: whose versions model.json states.
    """

    suffix: str
    write: Callable[[nn.Module, Path, Size], None]
    open: Callable[[Path, Sequence[str]], Session]
    packages: tuple[str, ...]


def write_program(model: nn.Module, path: Path, size: Size) -> None:
    """Writes a program of torch.export, for `torch.export.load` and what compiles from it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.export.save(trace_program(model, size), path)


def write_openvino(model: nn.Module, path: Path, size: Size) -> None:
    """Writes OpenVINO's .xml and .bin, by way of ONNX; weights stay float32."""
    require_package("openvino", "to=openvino", "use to=onnx")
    import openvino

    source = path.with_suffix(".onnx")
    write_onnx(model, source, size)
    converted = openvino.convert_model(str(source))
    for output, name in zip(converted.outputs, list_outputs(model, size), strict=True):
        output.get_tensor().set_names({name})
    openvino.save_model(converted, str(path), compress_to_fp16=False)
    source.unlink()


FORMATS: Mapping[str, ModelFormat] = {
    "onnx": ModelFormat(".onnx", write_onnx, lambda path, _: OnnxSession(path), ("onnx", "onnxscript", "onnxruntime")),
    "torch_export": ModelFormat(".pt2", write_program, TorchExportSession, ()),
    "openvino": ModelFormat(
        ".xml", write_openvino, lambda path, _: OpenVinoSession(path), ("onnx", "onnxscript", "openvino")
    ),
}
_ELSEWHERE = {  # formats that are made from ours by programs of their vendors
    "tensorrt": "trtexec, from to=onnx",
    "coreml": "coremltools, from to=torch_export",
    "executorch": "the package executorch, from to=torch_export",
    "litert": "the package ai-edge-torch, from to=torch_export",
    "tflite": "the package ai-edge-torch, from to=torch_export",
}


def find_format(word: str) -> ModelFormat:
    """The format that `to` names.

    Raises:
        CandelabraError: there is none of this name, or its package is missing.
    """
    if word not in FORMATS:
        other = f"; it is made by {_ELSEWHERE[word]}" if word in _ELSEWHERE else ""
        raise CandelabraError(f"to={word} is not known; allowed are {', '.join(FORMATS)}{other}.")
    if word != "torch_export":
        require_package("onnxscript", f"to={word}", "use to=torch_export")
        require_package("openvino" if word == "openvino" else "onnxruntime", f"to={word}", "use to=torch_export")
    return FORMATS[word]
