"""Where numbers, pictures and tables of a run go; one file and one yaml each."""

from candelabra.loggers.csv import Csv
from candelabra.loggers.mlflow import MLflow
from candelabra.loggers.tensorboard import TensorBoard
from candelabra.loggers.wandb import Wandb

__all__ = ["Csv", "MLflow", "TensorBoard", "Wandb"]
