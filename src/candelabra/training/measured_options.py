"""Options that are measured on this machine and these data: precision, epochs that fit into a time, learning rate."""

import lightning as L
from omegaconf import DictConfig

from candelabra.config.build import PlainConfig
from candelabra.config.probe_options import is_probe
from candelabra.data.loading.sample_datamodule import SampleDataModule
from candelabra.training.lr_finder import find_learning_rate
from candelabra.training.precision import choose_training_precision
from candelabra.training.resume import begin_run
from candelabra.training.time_limit import fit_epochs_to_minutes


def measure_options(
    config: DictConfig, words: list[str], plain: PlainConfig, data: SampleDataModule, searched: bool
) -> PlainConfig:
    """The resolved config of a run, with what `auto` and `minutes` ask for in numbers; a run that goes on has them.

    Args:
        config: of the run, as composed; it is changed.
        words: overrides that were typed.
        plain: as resolved, all other options chosen.
        data: what to learn from.
        searched: `lr` was auto; a probe has rates of its own.
    """
    if plain["trainer"]["precision"] == "auto":  # on a CPU
        config.trainer.precision = plain["trainer"]["precision"] = choose_training_precision(plain, data)
    if config.resume:
        return plain
    if plain.get("minutes"):
        config.epochs = config.trainer.max_epochs = fit_epochs_to_minutes(plain, data)
        plain, _ = begin_run(config, words)
    if searched and not is_probe(plain):
        config.lr = find_learning_rate(plain, data).suggestion
        plain, _ = begin_run(config, words)
        L.seed_everything(plain["seed"], verbose=False)
    return plain
