"""The formats of an exported model: how each is written, and opened again to be compared."""

import warnings
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch
from numpy.typing import NDArray
from torch import nn

from candelabra.environment import require_package
from candelabra.errors import CandelabraError
from candelabra.export.float16 import shrink_onnx
from candelabra.export.onnx_file import trace_program, write_onnx
from candelabra.runtime.sessions import OnnxSession, OpenVinoSession, Pixels, Session
from candelabra.types import Size


class TorchExportSession(Session):
    """A program of torch.export, run by torch.

    Args:
        path: of the .pt2 file.
    """

    def __init__(self, path: Path) -> None:
        self.program = torch.export.load(path).module()

    def run(self, images: Pixels, names: Sequence[str]) -> dict[str, NDArray[Any]]:
        with torch.inference_mode():
            found = self.program(torch.from_numpy(images))
        return {name: found[name].numpy() for name in names}


class ModelFormat(ABC):
    """A format that `to` names.

    Attributes:
        name: of it, as it is typed.
        suffix: of its file.
        packages: whose versions model.json states.
    """

    name: ClassVar[str]
    suffix: ClassVar[str]
    packages: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def check(self) -> None:
        """Checks, before anything is loaded, that its packages are installed.

        Raises:
            CandelabraError: one is missing.
        """

    @abstractmethod
    def write(self, model: nn.Module, path: Path, size: Size) -> None:
        """Writes a model.

        Args:
            model: pictures (N, H, W, 3) uint8 -> a dictionary of outputs.
            path: of the file.
            size: (H, W) that the network sees.

        Raises:
            CandelabraError: the exporter refuses the model.
        """

    def shrink(self, path: Path) -> None:
        """Stores the weights of a file that `write` wrote in 16 bits.

        Raises:
            CandelabraError: this format cannot.
        """
        raise CandelabraError(f"half=true cannot be used with to={self.name}; allowed are onnx and openvino.")

    @abstractmethod
    def open(self, path: Path, names: Sequence[str]) -> Session:
        """Opens a file that `write` wrote.

        Args:
            path: of the file.
            names: of its outputs, in their order.
        """


class OnnxFormat(ModelFormat):
    """ONNX, which ONNX Runtime runs."""

    name, suffix, packages = "onnx", ".onnx", ("onnx", "onnxscript", "onnxruntime")

    def check(self) -> None:
        for package in ("onnxscript", "onnxruntime"):
            require_package(package, "to=onnx", "use to=torch_export")

    def write(self, model: nn.Module, path: Path, size: Size) -> None:
        write_onnx(model, path, size)

    def shrink(self, path: Path) -> None:
        shrink_onnx(path)

    def open(self, path: Path, names: Sequence[str]) -> Session:
        return OnnxSession(path)


class OpenVinoFormat(ModelFormat):
    """OpenVINO's .xml and .bin, made from ONNX."""

    name, suffix, packages = "openvino", ".xml", ("onnx", "onnxscript", "openvino")

    def check(self) -> None:
        for package in ("onnxscript", "openvino"):
            require_package(package, "to=openvino", "use to=torch_export")

    def write(self, model: nn.Module, path: Path, size: Size) -> None:
        source = path.with_suffix(".onnx")
        write_onnx(model, source, size)
        self.convert(source, path)
        source.unlink()

    def convert(self, source: Path, path: Path) -> None:
        """Makes .xml and .bin of a .onnx file."""
        import openvino

        openvino.save_model(openvino.convert_model(str(source)), str(path), compress_to_fp16=False)

    def shrink(self, path: Path) -> None:
        import openvino

        draft = path.with_name(f"half-{path.name}")
        openvino.save_model(openvino.Core().read_model(path), str(draft), compress_to_fp16=True)
        for suffix in (".xml", ".bin"):
            draft.with_suffix(suffix).replace(path.with_suffix(suffix))

    def open(self, path: Path, names: Sequence[str]) -> Session:
        return OpenVinoSession(path)


class TorchExportFormat(ModelFormat):
    """A program of torch.export, for `torch.export.load` and for compilers that begin with it."""

    name, suffix = "torch_export", ".pt2"

    def check(self) -> None:
        return

    def write(self, model: nn.Module, path: Path, size: Size) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # advice to the developers of exporters
            torch.export.save(trace_program(model, size), path)

    def open(self, path: Path, names: Sequence[str]) -> Session:
        return TorchExportSession(path)
