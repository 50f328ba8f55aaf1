"""Loggers: destinations of a run's metrics, pictures and tables; one file and one yaml each."""

from candelabra.loggers.csv import CsvLogger
from candelabra.loggers.mlflow import MlflowLogger
from candelabra.loggers.tensorboard import TensorboardLogger
from candelabra.loggers.wandb import WandbLogger

__all__ = ["CsvLogger", "MlflowLogger", "TensorboardLogger", "WandbLogger"]
