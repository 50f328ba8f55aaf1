"""Predicted objects as a JSON document of COCO, which annotation tools and `data=coco` read."""

from collections.abc import Sequence
from typing import Any

from candelabra.types import Size


class CocoDocument:
    """Images, annotations with scores, and categories numbered from 1.

    Args:
        classes: names of the categories.
    """

    def __init__(self, classes: Sequence[str]) -> None:
        self.categories = [{"id": number, "name": name} for number, name in enumerate(classes, 1)]
        self.images: list[dict[str, Any]] = []
        self.annotations: list[dict[str, Any]] = []

    def add(self, name: str, size: Size, objects: Sequence[dict[str, Any]]) -> None:
        """Adds an image.

        Args:
            name: path of the image.
            size: (H, W) in pixels.
            objects: see `Target.to_coco`.
        """
        number = len(self.images) + 1
        self.images.append({"id": number, "file_name": name, "height": size[0], "width": size[1]})
        for each in objects:
            self.annotations.append({"id": len(self.annotations) + 1, "image_id": number, **each})

    def to_json(self) -> dict[str, Any]:
        """The document as plain values."""
        return {"images": self.images, "annotations": self.annotations, "categories": self.categories}
