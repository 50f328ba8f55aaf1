"""A plug-in for candelabra: the target `distance` and a head that learns it."""

__version__ = "0.1.0"
