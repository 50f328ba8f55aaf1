"""Convolution arithmetic: sizes, weights, strides and receptive fields, of chains of layers and of running models."""

from candelabra.backbones.receptive_field.adjoint import input_gradient, weight_gradient
from candelabra.backbones.receptive_field.effective import effective_field
from candelabra.backbones.receptive_field.layers import (
    Convolution,
    Layer,
    Pooling,
    TransposedConvolution,
    Window,
    parameters,
)
from candelabra.backbones.receptive_field.tracing import Field, fields_of, receptive_fields

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
