"""Preprocessing and augmentation of samples: image and targets are transformed together."""
