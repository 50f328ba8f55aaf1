"""Fills in the options that null leaves open, by the rules of `candelabra.config.data_rules`, and says so."""

import logging
import math
from collections.abc import Mapping, Sequence
from typing import Any

import lightning as L
import torch
from omegaconf import DictConfig, ListConfig

from candelabra.config.build import PlainConfig
from candelabra.config.data_rules import choose_epochs, choose_training_batch, count_steps
from candelabra.data.loading.sample_datamodule import SampleDataModule
from candelabra.distributed.rendezvous import detect_launcher
from candelabra.errors import CandelabraError
from candelabra.training.batch_size import find_batch_size
from candelabra.training.resume import begin_run

log = logging.getLogger(__name__)


def resolve_open_options(
    config: DictConfig, words: list[str], plain: PlainConfig, data: SampleDataModule, sized: bool
) -> PlainConfig:
    """The resolved config of a new run, with numbers for all options that were open.

    Args:
        config: of the run, as composed; it is changed.
        words: overrides that were typed.
        plain: as resolved while options were open.
        data: built from it; its batch size is changed.
        sized: `data.batch_size=auto` was typed; see `find_batch_size`.
    """
    if sized:
        config.data.batch_size = find_batch_size(plain, data)
    fill_open_options(config, data)
    plain, _ = begin_run(config, words)
    if plain["data"]["batch_size"] != data.batch_size:
        L.seed_everything(plain["seed"], verbose=False)
        data.change_batch_size(plain["data"]["batch_size"])
    return plain


def apply_typed_epochs(config: DictConfig, typed: Sequence[str]) -> None:
    """Lets `epochs` that were typed go before those of a preset of the trainer, such as trainer=smoke.

    Args:
        config: of a run, as composed; it is changed.
        typed: keys of the options that were typed.

    Raises:
        CandelabraError: `trainer.max_epochs` was typed as well, with another number.
    """
    epochs, most = config.epochs, config.trainer.max_epochs
    if "epochs" not in typed or epochs is None or epochs == most:
        return
    if "trainer.max_epochs" not in typed:
        config.trainer.max_epochs = "${epochs}"
    elif not config.get("resume"):  # there the words of the run count as typed, see `set_epochs`
        raise CandelabraError(
            f"epochs={epochs} and trainer.max_epochs={most} both say how long; leave one of them out."
        )


def fill_open_options(config: DictConfig, data: SampleDataModule) -> None:
    """Sets batch size and epochs where they are null, and prints them; what is set already stays.

    Args:
        config: of a new run, as composed; it is changed.
        data: what to learn from; read, if it is not yet.
    """
    images = sum(share.quota for share in data.shares)
    chosen = []
    if config.data.batch_size is None:
        config.data.batch_size = choose_training_batch(images)
        chosen.append("data.batch_size")
    trainer = config.trainer
    batch_images, accumulated = config.data.batch_size * count_processes(trainer), trainer.accumulate_grad_batches
    if config.global_batch is not None:  # whether it is a multiple is checked when the trainer is made
        accumulated = max(1, config.global_batch // batch_images)
    steps, limit = count_steps(images, batch_images, accumulated), trainer.limit_train_batches
    if limit is not None:  # batches, or a share of them
        share = limit if isinstance(limit, int) else int(limit * count_steps(images, batch_images))
        steps = min(steps, max(1, math.ceil(share / accumulated)))
    if trainer.max_epochs is not None:  # it follows epochs, or was typed and goes before them
        config.epochs = trainer.max_epochs
    elif config.epochs is None:
        config.epochs = choose_epochs(images, batch_images, accumulated)
        if trainer.max_steps > 0:  # it ends the run
            config.epochs = max(config.epochs, math.ceil(trainer.max_steps / steps))
        chosen.append("epochs")
    if chosen:
        total = steps * config.epochs if trainer.max_steps < 0 else min(trainer.max_steps, steps * config.epochs)
        words = "%d training images: batch %d, epochs %d, optimizer steps %d (%s chosen by the number of images)"
        log.info(words, images, config.data.batch_size, config.epochs, total, " and ".join(chosen))


def count_processes(trainer: Mapping[str, Any]) -> int:
    """How many processes share an epoch; the same on all of them."""
    if (launcher := detect_launcher()) is not None:
        return launcher.ranks
    devices = trainer["devices"]
    if isinstance(devices, list | ListConfig):
        each = len(devices)
    elif devices in ("auto", -1, "-1"):
        each = 1 if trainer["accelerator"] == "cpu" else torch.cuda.device_count()
    else:
        each = int(devices)
    return max(1, each) * int(trainer["num_nodes"])
