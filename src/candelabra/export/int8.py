"""Static quantisation of an ONNX model to int8: weights by channel, activations from the range of real pictures."""

import logging
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from candelabra.environment import require_package
from candelabra.runtime.description import INPUT_NAME
from candelabra.runtime.pictures import read_picture
from candelabra.types import Size

_QUANTISED = ("Conv", "Gemm", "MatMul")


def quantize_onnx(path: Path, pictures: Sequence[bytes], size: Size) -> None:
    """Quantises the network in a .onnx file, in place; the resize before it and the decoding after it stay as they are.

    Args:
        path: of the file.
        pictures: files of training pictures, from which the ranges of activations are measured.
        size: (H, W) that the network sees.
    """
    require_package("onnxscript", "quantise=int8")
    import onnx
    from onnxruntime import quantization
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Reader(quantization.CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self.batches: Iterator[dict[str, Any]] = iter(
                {INPUT_NAME: np.ascontiguousarray(read_picture("", each, size).pixels[None])} for each in pictures
            )

        def get_next(self) -> dict[str, Any] | None:
            return next(self.batches, None)

    logging.getLogger().setLevel(max(logging.getLogger().level, logging.WARNING))
    ready = path.with_name(f"ready-{path.name}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        quant_pre_process(str(path), str(ready), skip_symbolic_shape=True)
        outside = list_outside_network(onnx.load(ready))
        quantization.quantize_static(
            str(ready),
            str(path),
            Reader(),
            quant_format=quantization.QuantFormat.QDQ,
            per_channel=True,
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8,
            op_types_to_quantize=list(_QUANTISED),
            nodes_to_exclude=outside,
        )
    ready.unlink()


def list_outside_network(model: Any) -> list[str]:
    """Names of the nodes that multiply but have no weights: the resize of pictures, and attention's own products.

    Args:
        model: `onnx.ModelProto`.
    """
    weights = {each.name for each in model.graph.initializer}
    return [
        node.name
        for node in model.graph.node
        if node.op_type == "MatMul" and not any(name in weights for name in node.input)
    ]
