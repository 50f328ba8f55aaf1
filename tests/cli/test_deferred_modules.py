"""Deferred modules: what libraries read of them needs no import, and all else gets the real ones."""

import subprocess
import sys

import pytest

BEGIN = """
import sys
from candelabra.cli.deferred_modules import DeferredModule, import_lazily
def list_deferred(): return [name for name, module in sys.modules.items() if isinstance(module, DeferredModule)]
"""
LIBRARIES = "with import_lazily():\n    import lightning, timm, torch, torchmetrics, torchvision\n"
HEAVY = ("torch._dynamo", "sympy", "scipy.signal", "scipy.stats", "matplotlib", "transformers", "triton.runtime")


def run_python(code: str) -> str:
    command = [sys.executable, "-W", "ignore", "-c", BEGIN + code]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_libraries_import_none_of_them_and_find_them_when_they_use_them() -> None:
    code = f"""{LIBRARIES}
print("LOADED", [name for name in {HEAVY} if name in sys.modules], list_deferred())
from lightning.fabric import wrappers
layer = torch.nn.Linear(2, 1)
assert wrappers._unwrap_compiled(layer) == (layer, None)
assert "torch._dynamo" not in sys.modules  # without it nothing can be compiled
weight = torch.nn.Parameter(torch.ones(1))
weight.grad = torch.ones(1)
torch.optim.SGD([weight], lr=0.5).step()
assert weight.item() == 0.5
compiled = torch.compile(layer, backend="eager")
assert torch.equal(compiled(torch.ones(1, 2)), layer(torch.ones(1, 2)))
assert wrappers._unwrap_compiled(compiled)[0] is layer
boxes = [torch.tensor([[0.0, 0.0, 4.0, 4.0]])]
assert torchvision.ops.roi_align(torch.ones(1, 1, 4, 4), boxes, 2).mean() == 1
torch.use_deterministic_algorithms(True)
from torchvision.ops.roi_align import is_compile_supported
assert is_compile_supported("cpu") is torch._dynamo.utils.is_compile_supported("cpu")
metric = torchmetrics.MeanMetric()
metric.update(2.0)
figure, axes = metric.plot()
import matplotlib.figure, scipy.signal
assert isinstance(figure, matplotlib.figure.Figure)
assert list(scipy.signal.convolve([1, 2], [1, 1])) == [1, 3, 2]
"""
    assert "LOADED [] []" in run_python(code)


def test_a_deferred_module_that_a_library_needs_at_once_is_imported() -> None:
    code = """
with import_lazily():
    import matplotlib.pyplot as plt
    assert "matplotlib" in list_deferred()
    from matplotlib.figure import Figure
    import matplotlib, torch._dynamo.config
    from scipy.signal import convolve
    from scipy.signal.windows import hann
    assert isinstance(plt.figure(), Figure)
    assert matplotlib.figure.Figure is Figure
    assert matplotlib.figure.__spec__.origin == matplotlib.figure.__file__
    assert torch._dynamo.config.recompile_limit == 8
    names = ("matplotlib", "matplotlib.pyplot", "matplotlib.axes", "torch._dynamo", "scipy.signal")
    assert not set(names) & set(list_deferred())
    assert all(name in sys.modules for name in names)
assert list_deferred() == []
"""
    run_python(code)


@pytest.mark.parametrize(
    "first", ["matplotlib.pyplot", "scipy.signal", pytest.param("torch._dynamo", marks=pytest.mark.slow)]
)
def test_modules_that_are_imported_already_are_left_alone(first: str) -> None:
    code = f"""
import {first}
real = sys.modules[{first!r}]
with import_lazily():
    assert sys.modules[{first!r}] is real
    assert not any(name.startswith({first.split(".")[0]!r}) for name in list_deferred())
assert sys.modules[{first!r}] is real
"""
    run_python(code)


def test_a_failing_import_leaves_none_behind() -> None:
    code = """
try:
    with import_lazily():
        assert list_deferred()
        import no_such_module
except ModuleNotFoundError:
    assert list_deferred() == []
    import scipy.signal
    print(scipy.signal.windows.hann.__module__)
"""
    assert run_python(code).startswith("scipy.")
