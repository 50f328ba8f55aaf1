"""Convolution arithmetic: sizes, parameters, strides and receptive fields of layer chains and of running models."""

from candelabra.backbones.receptive_field.adjoint import compute_input_gradient, compute_weight_gradient
from candelabra.backbones.receptive_field.effective import measure_effective_field
from candelabra.backbones.receptive_field.layers import (
    Convolution,
    Layer,
    PoolingLayer,
    TransposedConvolution,
    Window,
    count_parameters,
)
from candelabra.backbones.receptive_field.tracing import ReceptiveField, combine_fields, trace_receptive_fields

__all__ = [
    "Convolution",
    "Layer",
    "PoolingLayer",
    "ReceptiveField",
    "TransposedConvolution",
    "Window",
    "combine_fields",
    "compute_input_gradient",
    "compute_weight_gradient",
    "count_parameters",
    "measure_effective_field",
    "trace_receptive_fields",
]
