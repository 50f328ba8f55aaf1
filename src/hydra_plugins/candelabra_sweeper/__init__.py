"""A Hydra sweeper of grids and Optuna studies whose jobs are processes of their own; works with any Hydra program."""
