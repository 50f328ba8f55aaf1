"""Packages that optional features need: those of the extras in pyproject.toml."""

from importlib.util import find_spec

from candelabra.errors import CandelabraError

EXTRAS = {  # by the package that is imported
    "cvxpy": "cagrad",
    "datasets": "huggingface",
    "faiss": "search",
    "hydra_plugins.hydra_ray_launcher": "ray",
    "hydra_plugins.hydra_submitit_launcher": "slurm",
    "litdata": "litdata",
    "mlflow": "mlflow",
    "peft": "adapters",
    "plotly": "dashboards",
    "pyarrow": "parquet",
    "tensorboard": "dashboards",
    "umap": "umap",
}


def is_installed(package: str) -> bool:
    """Whether a package can be imported; imports nothing."""
    return find_spec(package) is not None


def require_package(package: str, purpose: str, instead: str = "") -> None:
    """Refuses a feature whose package is not installed.

    Args:
        package: one of `EXTRAS`.
        purpose: what needs it, as it was typed.
        instead: what to do without it: `use search=exact`.

    Raises:
        CandelabraError: it is not installed; the message names the extra.
    """
    if not is_installed(package):
        raise CandelabraError(format_missing(package, purpose, instead))


def format_missing(package: str, purpose: str, instead: str = "") -> str:
    """Says which extra a feature needs.

    >>> format_missing("peft", "finetune=adapters")
    "finetune=adapters needs the package peft; install it with pip install 'candelabra[adapters]'."
    """
    name = package.rpartition(".")[2]
    other = f", or {instead}" if instead else ""
    return f"{purpose} needs the package {name}; install it with pip install 'candelabra[{EXTRAS[package]}]'{other}."
