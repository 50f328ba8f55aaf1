"""Data modules, their loaders, and the choice of the number of workers."""
