"""Data modules, loaders and workers."""
