"""Targets: one file holds all that the pipeline knows of one kind of label."""

from candelabra.data.targets.box import BoxTarget
from candelabra.data.targets.boxes import BoxesTarget
from candelabra.data.targets.column import TargetColumn
from candelabra.data.targets.depth import DepthTarget
from candelabra.data.targets.embedding import EmbeddingTarget
from candelabra.data.targets.flow import FlowTarget
from candelabra.data.targets.geometry import ResizeGeometry
from candelabra.data.targets.instances import InstancesTarget, find_object_target
from candelabra.data.targets.keypoints import KeypointsTarget
from candelabra.data.targets.label import LabelTarget
from candelabra.data.targets.labels import Labels
from candelabra.data.targets.mask import MaskTarget
from candelabra.data.targets.normals import NormalsTarget
from candelabra.data.targets.ordinal import OrdinalTarget
from candelabra.data.targets.picture import PictureTarget
from candelabra.data.targets.pixel_target import PixelTarget
from candelabra.data.targets.point_target import PointTarget
from candelabra.data.targets.target import Target
from candelabra.data.targets.target_classes import find_target_class, list_file_target_classes, list_target_classes
from candelabra.data.targets.value import ValueTarget
from candelabra.data.targets.vector_map import VectorMapTarget

__all__ = [
    "BoxTarget",
    "BoxesTarget",
    "DepthTarget",
    "EmbeddingTarget",
    "FlowTarget",
    "InstancesTarget",
    "KeypointsTarget",
    "LabelTarget",
    "Labels",
    "MaskTarget",
    "NormalsTarget",
    "OrdinalTarget",
    "PictureTarget",
    "PixelTarget",
    "PointTarget",
    "ResizeGeometry",
    "Target",
    "TargetColumn",
    "ValueTarget",
    "VectorMapTarget",
    "find_object_target",
    "find_target_class",
    "list_file_target_classes",
    "list_target_classes",
]
