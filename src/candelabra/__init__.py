"""candelabra: one pretrained backbone, any set of vision heads."""

__version__ = "0.1.0"
