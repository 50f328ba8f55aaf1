"""Balances: how the heads' losses become one."""

from candelabra.balancing.balance import Balance
from candelabra.balancing.fixed import Fixed
from candelabra.balancing.uncertainty import Uncertainty

__all__ = ["Balance", "Fixed", "Uncertainty"]
