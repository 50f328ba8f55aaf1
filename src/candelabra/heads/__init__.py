"""Heads: the contract, and one for each target."""

from candelabra.heads.auxiliary import Auxiliary
from candelabra.heads.box import Box
from candelabra.heads.coordinate_readers import Pooled, SoftArgmax
from candelabra.heads.head import Head, UnlabelledTarget, require_target
from candelabra.heads.keypoints import Keypoints
from candelabra.heads.label import Label
from candelabra.heads.mask import Mask
from candelabra.heads.pyramid import PyramidDecoder, resample

__all__ = [
    "Auxiliary",
    "Box",
    "Head",
    "Keypoints",
    "Label",
    "Mask",
    "Pooled",
    "PyramidDecoder",
    "SoftArgmax",
    "UnlabelledTarget",
    "require_target",
    "resample",
]
