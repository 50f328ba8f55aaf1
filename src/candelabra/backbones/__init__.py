"""Backbones: the abstract base class, wrappers of timm and torchvision, and networks of this package."""

from candelabra.backbones.backbone import Backbone
from candelabra.backbones.cifar_net import CifarNet
from candelabra.backbones.lenet import LeNet5
from candelabra.backbones.lora import add_lora
from candelabra.backbones.preact_resnet import PreActResNet
from candelabra.backbones.timm import Timm
from candelabra.backbones.torchvision import Torchvision

__all__ = ["Backbone", "CifarNet", "LeNet5", "PreActResNet", "Timm", "Torchvision", "add_lora"]
