"""Runtimes that run an exported model, behind one method."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from candelabra.environment import require_package
from candelabra.errors import CandelabraError
from candelabra.runtime.description import INPUT_NAME

Pixels = NDArray[np.uint8]


class Session(ABC):
    """A loaded model; several threads may run it at once."""

    @abstractmethod
    def run(self, images: Pixels, names: Sequence[str]) -> dict[str, NDArray[Any]]:
        """The outputs of these names for pictures (N, H, W, 3) uint8 RGB."""


class OnnxSession(Session):
    """A model in ONNX Runtime, on the CPU.

    Args:
        path: of the .onnx file.
        threads: of one run; null for all cores.

    Raises:
        CandelabraError: onnxruntime is missing, or does not read the file.
    """

    def __init__(self, path: Path, threads: int | None = None) -> None:
        require_package("onnxruntime", f"model={path}")
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        options.intra_op_num_threads = threads or 0
        try:
            self.session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # classes of its own, which derive from Exception alone
            raise _make_error(path, error) from error

    def run(self, images: Pixels, names: Sequence[str]) -> dict[str, NDArray[Any]]:
        found = self.session.run(list(names), {INPUT_NAME: images})
        return dict(zip(names, found, strict=True))


class OpenVinoSession(Session):
    """A model in OpenVINO, on the CPU, in float32.

    Args:
        path: of the .xml file.
        threads: of one run; null for all cores.

    Raises:
        CandelabraError: openvino is missing, or does not read the file.
    """

    def __init__(self, path: Path, threads: int | None = None) -> None:
        require_package("openvino", f"model={path}", "export with to=onnx")
        import openvino

        # Without the hint, a CPU with bfloat16 computes in it.
        options: dict[str, Any] = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
        if threads:
            options["INFERENCE_NUM_THREADS"] = threads
        try:
            self.model = openvino.Core().compile_model(str(path), "CPU", options)
        except RuntimeError as error:
            raise _make_error(path, error) from error

    def run(self, images: Pixels, names: Sequence[str]) -> dict[str, NDArray[Any]]:
        found = self.model.create_infer_request().infer({INPUT_NAME: images})
        return {name: found[name].copy() for name in names}


SESSIONS: dict[str, type[OnnxSession | OpenVinoSession]] = {".onnx": OnnxSession, ".xml": OpenVinoSession}


def open_session(path: Path, threads: int | None = None) -> Session:
    """Opens a model by the ending of its file.

    Raises:
        CandelabraError: the ending is not known, or the runtime is missing or refuses the file.
    """
    if path.suffix not in SESSIONS:
        raise CandelabraError(
            f"model={path} cannot be run here; allowed are files that candelabra export wrote with the endings "
            f"{', '.join(SESSIONS)}."
        )
    return SESSIONS[path.suffix](path, threads)


def _make_error(path: Path, error: Exception) -> CandelabraError:
    return CandelabraError(f"model={path} cannot be loaded ({' '.join(str(error).split())[:300]}); export it again.")
