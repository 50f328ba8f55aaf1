"""Tasks: LightningModules of one backbone and its heads."""

from candelabra.tasks.classification import Classification
from candelabra.tasks.detection import Detection
from candelabra.tasks.image_reconstruction import ImageReconstruction
from candelabra.tasks.instance_segmentation import InstanceSegmentation
from candelabra.tasks.keypoints import Keypoints
from candelabra.tasks.localization import Localization
from candelabra.tasks.metric_learning import MetricLearning
from candelabra.tasks.multitask import MultiTask
from candelabra.tasks.pretraining import Pretraining
from candelabra.tasks.segmentation import Segmentation
from candelabra.tasks.task import Task

__all__ = [
    "Classification",
    "Detection",
    "ImageReconstruction",
    "InstanceSegmentation",
    "Keypoints",
    "Localization",
    "MetricLearning",
    "MultiTask",
    "Pretraining",
    "Segmentation",
    "Task",
]
