"""Measure and describe the backbones of conf/backbone/ without their weights, for `candelabra backbones`."""
