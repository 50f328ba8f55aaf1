"""Heads: the contract, and one for each target."""

from candelabra.heads.auxiliary import Auxiliary
from candelabra.heads.box import Box
from candelabra.heads.coordinate_readers import Pooled, SoftArgmax
from candelabra.heads.head import Head
from candelabra.heads.keypoints import Keypoints
from candelabra.heads.label import Label
from candelabra.heads.mask import Mask

__all__ = ["Auxiliary", "Box", "Head", "Keypoints", "Label", "Mask", "Pooled", "SoftArgmax"]
