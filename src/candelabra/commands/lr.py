"""`candelabra lr`: the learning rate range test, with the options of `candelabra train`."""

import lightning as L
from omegaconf import DictConfig

from candelabra.cli.compose import detach_hydra
from candelabra.config.build import build_data, resolve_config
from candelabra.config.probe_options import is_probe
from candelabra.errors import CandelabraError
from candelabra.training.lr_finder import find_learning_rate
from candelabra.training.open_options import fill_open_options
from candelabra.training.precision import choose_training_precision


def run_lr(config: DictConfig) -> None:
    """Writes lr.csv and pictures/lr.png, and logs the suggested learning rate.

    Raises:
        CandelabraError: the config or the data cannot be used, or the loss fell at no rate.
    """
    detach_hydra(config)
    config.lr = 1.0  # the test sets the rate
    plain = resolve_config(config)
    if is_probe(plain):
        raise CandelabraError(
            "finetune=probe needs no learning rate: it tries each of finetune.rates; choose another strategy, "
            "finetune=frozen say."
        )
    L.seed_everything(plain["seed"], verbose=False)
    data = build_data(plain["data"])
    fill_open_options(config, data)
    plain = resolve_config(config)
    data.change_batch_size(plain["data"]["batch_size"])
    if plain["trainer"]["precision"] == "auto":
        plain["trainer"]["precision"] = choose_training_precision(plain, data)
    find_learning_rate(plain, data)
