"""What columns of labels say of their samples, whatever their images and masks lie in."""

import numpy as np
from numpy.typing import NDArray

from candelabra.types import UNLABELLED

LabelArray = NDArray[np.int64] | NDArray[np.float32]  # (n,) a class each; or (n, C), several of which may hold


def compute_strata(label: LabelArray | None, count: int) -> NDArray[np.int64]:
    """(n,) what random splits keep the shares of: the class, where an image has one; see `Samples`."""
    return label.astype(np.int64) if label is not None and label.ndim == 1 else np.zeros(count, np.int64)


def find_labelled(
    label: LabelArray | None, box: NDArray[np.float32] | None, keypoints: NDArray[np.float32] | None
) -> dict[str, NDArray[np.bool_]]:
    """For each target that is there, which samples have it: (n,) bool."""
    known: dict[str, NDArray[np.bool_]] = {}
    if label is not None:
        rows = label.reshape(len(label), -1).astype(np.float64)
        known["label"] = np.logical_and(rows != UNLABELLED, ~np.isnan(rows)).all(axis=1)
    if box is not None:
        known["box"] = np.logical_not(np.isnan(box).any(axis=1))
    if keypoints is not None:
        known["keypoints"] = np.logical_not(np.isnan(keypoints).all(axis=(1, 2)))
    return known


def one_hot_labels(label: LabelArray | None, classes: int) -> NDArray[np.bool_]:
    """(n, C) which classes each sample is labelled with; see `Samples.shown`.

    >>> one_hot_labels(np.array([1, -1]), 2).tolist(), one_hot_labels(np.array([[1, np.nan]], np.float32), 2).tolist()
    ([[False, True], [False, False]], [[True, False]])
    """
    assert label is not None
    found: NDArray[np.bool_] = label == 1 if label.ndim == 2 else label[:, None] == np.arange(classes)
    return found
