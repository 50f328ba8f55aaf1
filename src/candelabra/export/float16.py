"""Weights in 16 bits: a file of half the size, whose runtime computes as it did."""

from pathlib import Path
from typing import Any

import numpy as np

_WEIGHTED = ("Conv", "ConvTranspose", "Gemm", "MatMul")


def shrink_onnx(path: Path) -> None:
    """Stores the weights of convolutions and linear layers of a .onnx file as float16, in place.

    A `Cast` before each makes float32 of them again; runtimes do so once, when they load the file. All else, such as
    the places of anchors, for which float16 is too coarse, stays as it is.

    Args:
        path: of the file.
    """
    import onnx
    from onnx import numpy_helper

    model = onnx.load(path)
    wanted = list_weights(model)
    casts = []
    for weight in model.graph.initializer:
        values = numpy_helper.to_array(weight) if weight.name in wanted else np.zeros(0)
        if values.dtype == np.float32 and values.size and abs(values).max() <= np.finfo(np.float16).max:
            name = weight.name
            weight.CopyFrom(numpy_helper.from_array(values.astype(np.float16), f"{name}_half"))
            casts.append(
                onnx.helper.make_node("Cast", [weight.name], [name], f"{name}_cast", to=onnx.TensorProto.FLOAT)
            )
    for cast in reversed(casts):
        model.graph.node.insert(0, cast)
    onnx.save(model, path)


def list_weights(model: Any) -> set[str]:
    """Names of the initializers by which layers multiply, also of those that are transposed before.

    Args:
        model: `onnx.ModelProto`.
    """
    transposed = {node.output[0]: node.input[0] for node in model.graph.node if node.op_type == "Transpose"}
    given = {node.input[1] for node in model.graph.node if node.op_type in _WEIGHTED}
    return given | {transposed[name] for name in given if name in transposed}
