"""Size and resizing of the images that a task was trained on."""

from collections.abc import Sequence

from candelabra.config.build import PlainConfig


def read_trained_size(data: PlainConfig) -> int | list[int]:
    """Side or (H, W) of the images of a training; where data sets had several, that of the first."""
    if data["size"] is None:
        return read_trained_size(next(iter(data["sets"].values())))
    size: int | list[int] = data["size"]
    return size


def read_trained_resize(data: PlainConfig) -> str:
    """How images came to this size in a training; where data sets had several ways, that of the first."""
    resize: str | None = data.get("resize", None if data["size"] is None else "stretch")  # once there was no other way
    if resize is None:
        return read_trained_resize(next(iter(data["sets"].values()))) if "sets" in data else "stretch"
    return resize


def set_trained_size(data: PlainConfig, trained: PlainConfig, typed: Sequence[str]) -> None:
    """Sets size and resizing of data to those of a training, each unless it was typed.

    Args:
        data: resolved config of the data; it is changed.
        trained: that of the training.
        typed: keys of the options that were typed.
    """
    own = {key.rpartition(".")[2] for key in typed if key.startswith("data.")}
    if "size" not in own:
        data["size"] = read_trained_size(trained)
    if "resize" not in own:
        data["resize"] = read_trained_resize(trained)
