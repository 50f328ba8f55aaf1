"""Trains heads on cached features of a frozen backbone, one head or a grid of them."""

from candelabra.feature_cache.cache import FeatureCache
from candelabra.feature_cache.datamodule import CachedFeatures, cache_features
from candelabra.feature_cache.probe_grid import ProbeGrid
from candelabra.feature_cache.probe_table import save_probe

__all__ = ["CachedFeatures", "FeatureCache", "ProbeGrid", "cache_features", "save_probe"]
