"""Backbones: the contract, and the two libraries behind it."""

from candelabra.backbones.adapters import adapt
from candelabra.backbones.backbone import Backbone
from candelabra.backbones.timm import Timm
from candelabra.backbones.torchvision import Torchvision

__all__ = ["Backbone", "Timm", "Torchvision", "adapt"]
