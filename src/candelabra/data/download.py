"""Fetching data sets through torchvision, with an error that says what to do when that cannot be."""

from typing import Literal

from candelabra.errors import CandelabraError


def fetch(name: Literal["OxfordIIITPet", "CIFAR10"], root: str) -> None:
    """Downloads a data set of torchvision into `root`.

    Raises:
        CandelabraError: it cannot be fetched or written.
    """
    import torchvision.datasets

    try:
        getattr(torchvision.datasets, name)(root=root, download=True)
    except (OSError, RuntimeError) as error:
        raise CandelabraError(
            f"{name} could not be fetched into data.root={root} ({error}); go online, or give the folder where it "
            "already is with data.root=<folder>."
        ) from error
