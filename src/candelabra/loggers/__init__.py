"""Loggers: destinations of a run's metrics, pictures and tables; one file and one yaml each."""

from candelabra.loggers.csv import CsvLogger
from candelabra.loggers.mlflow import MlflowLogger
from candelabra.loggers.tensorboard import TensorboardLogger, make_default_tensorboard
from candelabra.loggers.wandb import WandbLogger

__all__ = ["CsvLogger", "MlflowLogger", "TensorboardLogger", "WandbLogger", "make_default_tensorboard"]
