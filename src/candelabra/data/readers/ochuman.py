"""OCHuman's own json (Zhang et al. 2019) as a COCO document: objects are inside images there."""

from collections.abc import Mapping
from typing import Any

_SEEN = {1: 2, 2: 1, 3: 1}  # visible, hidden by itself, hidden by others -> COCO's visibility


def is_ochuman(document: Mapping[str, Any]) -> bool:
    """Whether a document is OCHuman's."""
    return "keypoint_names" in document and "annotations" not in document


def convert_to_coco(document: Mapping[str, Any]) -> dict[str, Any]:
    """The same as COCO has it; boxes are XYXY in OCHuman.

    Raises:
        KeyError, TypeError, ValueError: it lacks what it should have.
    """
    annotations = []
    for number, image in enumerate(document["images"]):
        for own in image["annotations"]:
            left, top, right, bottom = own["bbox"]
            annotation: dict[str, Any] = {
                "image_id": number,
                "category_id": 1,
                "bbox": [left, top, right - left, bottom - top],
            }
            if own.get("keypoints"):
                points = [list(own["keypoints"][place : place + 3]) for place in range(0, len(own["keypoints"]), 3)]
                annotation["keypoints"] = [part for x, y, seen in points for part in (x, y, _SEEN.get(seen, 0))]
            if own.get("segms"):
                annotation["segmentation"] = own["segms"]["outer"]
            annotations.append(annotation)
    return {
        "images": [{**image, "id": number} for number, image in enumerate(document["images"])],
        "annotations": annotations,
        "categories": [{"id": 1, "name": "person", "keypoints": list(document["keypoint_names"])}],
    }
