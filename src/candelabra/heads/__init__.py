"""Heads: the contract, and one for each target."""

from candelabra.heads.answers import HeadAnswer, NoAnswer
from candelabra.heads.auxiliary import Auxiliary
from candelabra.heads.box import Box
from candelabra.heads.coordinate_readers import Pooled, SoftArgmax
from candelabra.heads.depth import Depth
from candelabra.heads.detector import DECODING_OPTIONS, Detector
from candelabra.heads.embedding import Embedding, find_embedding
from candelabra.heads.faster_rcnn import FasterRCNN
from candelabra.heads.fcos import FCOS
from candelabra.heads.flow import Flow
from candelabra.heads.head import Head, UnlabelledTarget, require_target
from candelabra.heads.keypoints import Keypoints
from candelabra.heads.label import Label
from candelabra.heads.mask import Mask
from candelabra.heads.mask_rcnn import MaskRCNN
from candelabra.heads.metric_group import MetricGroup, compute_metrics, list_metric_names
from candelabra.heads.normals import Normals
from candelabra.heads.ordinal import Ordinal
from candelabra.heads.projector import Projector
from candelabra.heads.pyramid import PyramidDecoder, resample
from candelabra.heads.reconstruction import Reconstruction
from candelabra.heads.retinanet import RetinaNet
from candelabra.heads.value import Value

__all__ = [
    "DECODING_OPTIONS",
    "FCOS",
    "Auxiliary",
    "Box",
    "Depth",
    "Detector",
    "Embedding",
    "FasterRCNN",
    "Flow",
    "Head",
    "HeadAnswer",
    "Keypoints",
    "Label",
    "Mask",
    "MaskRCNN",
    "MetricGroup",
    "NoAnswer",
    "Normals",
    "Ordinal",
    "Pooled",
    "Projector",
    "PyramidDecoder",
    "Reconstruction",
    "RetinaNet",
    "SoftArgmax",
    "UnlabelledTarget",
    "Value",
    "compute_metrics",
    "find_embedding",
    "list_metric_names",
    "require_target",
    "resample",
]
