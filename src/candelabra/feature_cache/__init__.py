"""Training on what a frozen backbone has made of the images once: cached features, and grids of heads on them."""

from candelabra.feature_cache.cache import Cache
from candelabra.feature_cache.datamodule import CachedFeatures, cached
from candelabra.feature_cache.probe_grid import Grid

__all__ = ["Cache", "CachedFeatures", "Grid", "cached"]
