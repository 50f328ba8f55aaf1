"""Optimizers: schedulers, parameter groups and the schedule plan of a run."""
