"""Balances: how the heads' losses, or their gradients on the backbone, become one."""

from candelabra.balancing.aligned_mtl import AlignedMTL
from candelabra.balancing.balance import (
    Balance,
    BalanceFactory,
    GradientBalance,
    LossBalance,
    StepPosition,
)
from candelabra.balancing.cagrad import CAGrad
from candelabra.balancing.dwa import DynamicWeightAverage
from candelabra.balancing.famo import Famo
from candelabra.balancing.fixed import Fixed
from candelabra.balancing.gradnorm import GradNorm
from candelabra.balancing.mgda import MGDA
from candelabra.balancing.nash_mtl import NashMTL
from candelabra.balancing.pcgrad import PCGrad
from candelabra.balancing.random import Random
from candelabra.balancing.uncertainty import Uncertainty
from candelabra.balancing.upgrad import UPGrad

__all__ = [
    "MGDA",
    "AlignedMTL",
    "Balance",
    "BalanceFactory",
    "CAGrad",
    "DynamicWeightAverage",
    "Famo",
    "Fixed",
    "GradNorm",
    "GradientBalance",
    "LossBalance",
    "NashMTL",
    "PCGrad",
    "Random",
    "StepPosition",
    "UPGrad",
    "Uncertainty",
]
