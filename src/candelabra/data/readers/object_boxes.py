"""The boxes of all objects of images, as formats of detection have them."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from candelabra.data.issues import DataIssue, IssueTreatment
from candelabra.data.targets import BoxesTarget
from candelabra.data.targets.object_column import ObjectColumn
from candelabra.data.targets.object_rows import IGNORED_SCORE

EMPTY_IMAGE = "boxes: no object is there; label, box and points: unlabelled"  # an issue


def make_object_column(
    names: Sequence[Sequence[str]],
    ignored: Sequence[Sequence[bool]],
    boxes: Sequence[NDArray[np.float32]],
    labelled: Sequence[bool],
    known: Sequence[str],
) -> ObjectColumn:
    """The column of `boxes`; an object without a box is left out.

    Args:
        names: for each image, the class of each object.
        ignored: likewise, whether it is a region that neither teaches nor counts, as a crowd.
        boxes: likewise, (m, 4) XYXY in pixels of the file, NaN where there is none.
        labelled: for each image, whether somebody labelled its objects; where false, nothing is known of it.
        known: all classes that somebody looked for, in their order, those that never occur too.
    """
    numbers = {name: number for number, name in enumerate(known)}
    values: list[NDArray[np.float32] | None] = []
    for own, crowds, sides, there in zip(names, ignored, boxes, labelled, strict=True):
        rows = [(numbers[name], IGNORED_SCORE if crowd else 1.0) for name, crowd in zip(own, crowds, strict=True)]
        table = np.concatenate([sides, np.array(rows, np.float32).reshape(-1, 2)], 1)
        values.append(table[np.isfinite(sides).all(1)] if there else None)
    return ObjectColumn(BoxesTarget(tuple(known)), values)


def find_ignored_objects(
    names: Sequence[str], words: Sequence[Sequence[tuple[bool, bool]]], issues: list[DataIssue]
) -> list[list[bool]]:
    """For each image, which of its objects neither teach nor count: crowds, and those that are said to be difficult.

    Args:
        names: of the images.
        words: for each image and object, whether it is a crowd, and whether it is difficult; where all objects of the
            data set are, the second one says nothing.
        issues: list to which issues are appended.
    """
    difficult = [name for name, own in zip(names, words, strict=True) if any(hard for _, hard in own)]
    meant = not all(crowd or hard for own in words for crowd, hard in own)
    if difficult:
        use = "boxes: they neither teach nor count" if meant else "every object is: they are read as objects"
        issues.append(
            DataIssue(difficult[0], "difficult objects", IssueTreatment.USED, f"{len(difficult)} images; {use}")
        )
    return [[crowd or (hard and meant) for crowd, hard in own] for own in words]
