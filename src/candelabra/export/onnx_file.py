"""Write a model as ONNX, by torch's dynamo exporter."""

import logging
import warnings
from pathlib import Path

import torch
from torch import Tensor, nn

from candelabra.environment import require_package
from candelabra.errors import CandelabraError
from candelabra.runtime.description import INPUT_NAME

OPSET = 18  # below, exporters translated an antialiased resize wrongly, and some reductions take other arguments
_LARGEST = 2 * 10**9  # bytes of a file of protocol buffers


def trace_program(model: nn.Module, size: tuple[int, int]) -> torch.export.ExportedProgram:
    """Traces a model for any number of pictures of any size.

    Args:
        model: pictures (N, H, W, 3) uint8 -> a dictionary of outputs.
        size: (H, W) that the network sees; the traced picture has another.
    """
    example = torch.zeros(2, size[0] + 13, size[1] + 37, 3, dtype=torch.uint8)
    sides = {0: torch.export.Dim("N"), 1: torch.export.Dim("H"), 2: torch.export.Dim("W")}
    with torch.no_grad():
        return torch.export.export(model, (example,), dynamic_shapes=(sides,), strict=False)


def write_onnx(model: nn.Module, path: Path, size: tuple[int, int]) -> None:
    """Writes one .onnx file with all weights.

    Args:
        model: see `trace_program`.
        path: of the file.
        size: likewise.

    Raises:
        CandelabraError: onnx or onnxscript is missing, the exporter refuses the model, or it does not fit one file.
    """
    require_package("onnxscript", "to=onnx")
    if sum(each.numel() * each.element_size() for each in model.parameters()) > _LARGEST:
        raise CandelabraError("to=onnx: the weights do not fit one file of 2 GB; export with to=torch_export.")
    names = list_outputs(model, size)
    for library in ("torch.onnx", "onnxscript", "onnx_ir"):  # they tell of each constant that they fold
        logging.getLogger(library).setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # advice to the developers of exporters
        program = torch.onnx.export(
            trace_program(model, size),
            input_names=[INPUT_NAME],
            output_names=names,
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    program.save(str(path), external_data=False)


def list_outputs(model: nn.Module, size: tuple[int, int]) -> list[str]:
    """Names of the outputs of a model, in their order."""
    with torch.no_grad():
        found: dict[str, Tensor] = model(torch.zeros(1, *size, 3, dtype=torch.uint8))
    return list(found)
