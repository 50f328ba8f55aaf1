"""Convolution arithmetic: sizes, weights, strides and receptive fields, of chains of layers and of running models."""

from candelabra.geometry.adjoint import input_gradient, weight_gradient
from candelabra.geometry.effective import effective_field
from candelabra.geometry.layers import Convolution, Layer, Pooling, TransposedConvolution, Window, parameters
from candelabra.geometry.tracing import Field, fields_of, receptive_fields

__all__ = [
    "Convolution",
    "Field",
    "Layer",
    "Pooling",
    "TransposedConvolution",
    "Window",
    "effective_field",
    "fields_of",
    "input_gradient",
    "parameters",
    "receptive_fields",
    "weight_gradient",
]
