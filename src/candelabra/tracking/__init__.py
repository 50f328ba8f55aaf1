"""Where numbers, pictures and tables of a run go; one file and one yaml each."""

from candelabra.tracking.csv import Csv
from candelabra.tracking.mlflow import MLflow
from candelabra.tracking.tensorboard import TensorBoard
from candelabra.tracking.wandb import Wandb

__all__ = ["Csv", "MLflow", "TensorBoard", "Wandb"]
