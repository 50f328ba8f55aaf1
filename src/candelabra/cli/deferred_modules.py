"""Modules that libraries import and hardly use: they are imported when they are used.

torchvision, timm and Lightning import `torch._dynamo`, which `torch.compile` and optimizers need; torchmetrics imports
`scipy.signal`, `matplotlib.pyplot` and `transformers` for metrics of sound and of texts and for plots. Predicting a
picture uses none of them. Importing them took more than a third of the time of `candelabra predict`.
"""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType, SimpleNamespace
from typing import Any


class DeferredName:
    """Stands for a class or a function; the module is imported when it is called or an attribute is read.

    Args:
        module: where it is.
        name: of it.
    """

    def __init__(self, module: str, name: str) -> None:
        self._place = module, name

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        return self._find()(*arguments, **options)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # typing and inspect ask for such
            raise AttributeError(name)
        return getattr(self._find(), name)

    def __instancecheck__(self, instance: Any) -> bool:
        module = sys.modules.get(self._place[0])  # without it there are no instances
        return module is not None and not isinstance(module, DeferredModule) and isinstance(instance, self._find())

    def _find(self) -> Any:
        return getattr(import_real(self._place[0]), self._place[1])


class DeferredModule(ModuleType):
    """Stands for a module; the module is imported when an attribute is read that is not among `values`."""

    def __init__(self, name: str, values: Mapping[str, Any]) -> None:
        super().__init__(name)
        self.__spec__ = ModuleSpec(name, None)  # some look by it whether a package is installed
        self.__path__: list[str] = []  # a package
        self.__dict__.update(values)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name != "__version__":
            raise AttributeError(name)
        child = sys.modules.get(f"{self.__name__}.{name}")
        return child if isinstance(child, DeferredModule) else getattr(import_real(self.__name__), name)


class _LoadedModule(Loader):
    """A module that `_ChildFinder` has imported."""

    def __init__(self, module: ModuleType) -> None:
        self._module, self._spec = module, module.__spec__

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return self._module

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self._spec


class _ChildFinder(MetaPathFinder):
    """Imports a module whose package is deferred, and the package first."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        if isinstance(sys.modules.get(name.rpartition(".")[0]), DeferredModule):
            return ModuleSpec(name, _LoadedModule(import_real(name)))
        return None


def import_real(name: str) -> ModuleType:
    """Imports a module, although it is deferred; others of its package are no longer deferred either."""
    for each, module in sys.modules.copy().items():  # other threads import
        if isinstance(module, DeferredModule) and _name_package(each) == _name_package(name):
            del sys.modules[each]
    return import_module(name)


@contextmanager
def import_lazily() -> Iterator[None]:
    """Within it libraries that import one of some modules get a `DeferredModule`; afterwards all import the real ones.

    Modules that are imported already, and those of packages that are not installed, are left alone.
    """
    present = {_name_package(name) for name in _VALUES if name in sys.modules}
    names = [name for name in _VALUES if _name_package(name) not in present and find_spec(_name_package(name))]
    standing = {name: DeferredModule(name, _VALUES[name]) for name in names}
    finder = _ChildFinder()
    sys.modules |= standing
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        for name, module in standing.items():
            if sys.modules.get(name) is module:
                del sys.modules[name]


def _disable_compiler(function: Callable[..., Any] | None = None, recursive: bool = True, **_: Any) -> Any:
    """`torch._dynamo.disable` as torch itself calls it: at the first call of the function."""
    from torch._compile import _disable_dynamo

    return _disable_dynamo(function, recursive)


@contextmanager
def _use_style(*arguments: Any, **options: Any) -> Iterator[None]:
    """`matplotlib.pyplot.style.context`, a decorator of functions in torchmetrics."""
    with import_real("matplotlib.pyplot").style.context(*arguments, **options):
        yield


def _name_package(name: str) -> str:
    return name.partition(".")[0]


def _name_values(module: str, *names: str) -> dict[str, DeferredName]:
    return {name: DeferredName(module, name) for name in names}


_VALUES: Mapping[str, Mapping[str, Any]] = {  # what is read of each while libraries are imported
    "scipy.signal": {"hamming": None},  # torchmetrics adds it where it is missing, for a package of speech metrics
    "torch._dynamo": {"disable": _disable_compiler, **_name_values("torch._dynamo", "OptimizedModule")},
    "torch._dynamo.utils": _name_values("torch._dynamo.utils", "is_compile_supported"),
    "transformers": _name_values("transformers", "AutoModel", "AutoTokenizer", "CLIPModel", "CLIPProcessor"),
    "triton": {},
    "triton.runtime": {},
    "triton.runtime.jit": _name_values("triton.runtime.jit", "JITFunction"),  # counting operations asks for it
    "matplotlib": {},
    "matplotlib.axes": _name_values("matplotlib.axes", "Axes"),
    "matplotlib.colors": _name_values("matplotlib.colors", "Colormap"),
    "matplotlib.pyplot": {"style": SimpleNamespace(context=_use_style), **_name_values("matplotlib.pyplot", "Figure")},
}
