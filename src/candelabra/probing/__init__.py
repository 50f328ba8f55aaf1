"""Training on what a frozen backbone has made of the images once: cached features, and grids of heads on them."""

from candelabra.probing.cache import Cache
from candelabra.probing.features import CachedFeatures, cached
from candelabra.probing.probe import Grid

__all__ = ["Cache", "CachedFeatures", "Grid", "cached"]
