"""Splits, and the order in which samples are served."""
