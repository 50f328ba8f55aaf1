"""Size and resizing of the images that a task was trained on."""

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
