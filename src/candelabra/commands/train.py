"""The run: a composed config becomes objects, they train, and a run folder is left behind."""

import csv
import json
import logging
import math
import os
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import lightning as L
import torch
from hydra.core.hydra_config import HydraConfig
from lightning.pytorch.callbacks import WeightAveraging
from omegaconf import DictConfig, OmegaConf

from candelabra.config.batch_scaling import accumulation
from candelabra.config.build import Plain, build, resolve
from candelabra.data.issues import Oddity, Treatment, summary, write_oddities
from candelabra.data.loading.datamodule import DataModule
from candelabra.data.samples import SPLITS
from candelabra.distributed.rendezvous import tell
from candelabra.environment import RUN
from candelabra.errors import CandelabraError, nearest
from candelabra.feature_cache import Grid, cached
from candelabra.finetuning import Probe
from candelabra.loggers.tracking import show_results, tracked, wait
from candelabra.report.pictures import curves, write_pictures
from candelabra.report.probe_table import write_trials
from candelabra.report.tables import coverage, print_results
from candelabra.runs.checkpoints import FOLDER, read_checkpoint
from candelabra.runs.overrides import COUNTS
from candelabra.tasks.loading import build_task, load_task, rehearse, with_tables_located
from candelabra.tasks.task import Task
from candelabra.training.callbacks.pruning import pruning
from candelabra.training.callbacks.throughput import Throughput
from candelabra.training.fsdp import Fsdp
from candelabra.training.latency import milliseconds_per_image
from candelabra.training.lr_finder import LONG, RangeTest, range_test, write_range
from candelabra.training.peers import accompanied
from candelabra.training.resume import begun, clear, continued, find_place
from candelabra.training.trainer import keepers, make_trainer, training
from candelabra.types import TARGETS

log = logging.getLogger(__name__)


def run_train(config: DictConfig) -> None:
    """Trains as the config says and writes the run folder.

    Raises:
        CandelabraError: the config, the data or the weights cannot be used; nothing was trained.
    """
    words = _leave_hydra(config)
    search = config.lr == "auto"
    if search:
        config.lr = 1.0  # until it is found
    plain, checkpoint = continued(config, words) if config.resume else begun(config, words)
    folder = Path(plain["folder"])
    L.seed_everything(plain["seed"], verbose=False)
    data: DataModule = build(plain["data"])
    labels = data.labels
    heads = plain["task"].get("heads", plain["task"])
    counts = coverage(data, [target for target in TARGETS if heads.get(target)])
    if search and not config.resume:
        config.lr = find_rate(plain, data).suggestion
        plain, _ = begun(config, words)
        L.seed_everything(plain["seed"], verbose=False)
    task = build_task(plain, labels)
    measured = _measured(task, counts["val"])
    metric = _monitored(plain["monitor"], measured)
    epochs = plain["trainer"]["max_epochs"]
    rehearse(task, data, epochs if epochs and epochs > 0 else LONG)
    throughput = Throughput()
    trial = pruning(measured)
    keeping = [] if isinstance(task.finetune, Probe) else [*trial, *keepers(plain, folder, metric)]
    trainer = training(plain, data, folder, throughput, keeping)
    served = cached(task, data, build(plain["cache"]), trainer)
    if checkpoint:
        find_place(checkpoint, data)
    if trainer.is_global_zero:
        _describe(task, data, trainer)
        if plain["anew"] and not config.resume:
            clear(folder)
        _write_config(plain, data, folder, again=bool(config.resume))
        tell((folder / "config.yaml").read_text(encoding="utf-8"))
    step = read_checkpoint(checkpoint)["global_step"] if checkpoint else 0
    os.environ[RUN] = str(folder.absolute())
    try:
        with tracked(trainer, plain, step), accompanied(trainer, folder):
            best = _fit(task, served, trainer, checkpoint, folder)
            _finish(task, data, served, trainer, throughput, best, folder)
    finally:
        os.environ.pop(RUN, None)


def find_rate(plain: Plain, data: DataModule) -> RangeTest:
    """The range test with a task and a trainer of its own, so that nothing of the run to come is touched."""
    if plain.get("lr_rule", "none") != "none":
        raise CandelabraError(
            f"lr_rule={plain['lr_rule']} is for a rate that was typed; one that is looked for is that of global_batch "
            "already. Leave lr_rule out, or set lr=<number>."
        )
    task = build_task(plain, data.labels)
    rehearse(task, data, LONG)
    node = plain["trainer"]
    if plain.get("global_batch") is not None:
        steps = accumulation(plain["global_batch"], plain["data"]["batch_size"], 1)
        node = {**node, "accumulate_grad_batches": steps}
    test = range_test(task, data, partial(make_trainer, node), **plain["range"])
    write_range(test, Path(plain["folder"]))
    return test


def run_lr(config: DictConfig) -> None:
    """`candelabra lr`: the range test alone, under the words of `candelabra train`.

    Raises:
        CandelabraError: see `run_train`.
    """
    _leave_hydra(config)
    config.lr = 1.0  # of no account
    plain = resolve(config)
    L.seed_everything(plain["seed"], verbose=False)
    find_rate(plain, build(plain["data"]))


def _fit(
    task: Task, served: L.LightningDataModule, trainer: L.Trainer, checkpoint: Path | None, folder: Path
) -> str | None:
    """Trains, and returns the checkpoint of the best weights."""
    if not isinstance(task.finetune, Probe):
        trainer.fit(task, served, ckpt_path=checkpoint)
        return trainer.checkpoint_callback.best_model_path or None  # type: ignore[union-attr]
    grid = Grid(task)
    trainer.fit(grid, served)
    if not math.isfinite(grid.best.score):
        raise CandelabraError("The probe ended before its heads were compared on validation; give it more epochs.")
    best = folder / FOLDER / "best.ckpt"
    trainer.save_checkpoint(best, weights_only=True)
    if trainer.is_global_zero:
        write_trials(grid.trials, grid.best, folder)
    return str(best)


def _measured(task: Task, labelled: Mapping[str, int]) -> list[str]:
    """Metrics of validation by which something may be chosen.

    Raises:
        CandelabraError: there are none, as no image of validation is labelled.
    """
    judged: list[str] = []
    for name in task.heads:
        measured = task.measures["val"].of(name)  # type: ignore[operator]
        if not labelled[task.heads[name].target]:  # type: ignore[index]
            log.warning("no validation image has a %s: this head is not judged", name)
            continue
        keys = [f"val/{name}/{key}" for key in measured]
        judged += [key for key in keys if not key.endswith((*COUNTS, "/confusion"))]
    if not judged:
        raise CandelabraError(
            f"No validation image has a label of any head ({', '.join(task.heads)}), so there is nothing to choose the "
            "best checkpoint by; label some, or divide the images anew (data.split=random)."
        )
    return ["val/score", "val/loss", *judged]


def _monitored(metric: str, known: Sequence[str]) -> str:
    if metric not in known:
        raise CandelabraError(f"monitor={metric} is not measured here; allowed are {nearest(metric, known)}.")
    return metric


def _leave_hydra(config: DictConfig) -> list[str]:
    """What was typed. From here on Hydra is not asked any more.

    Lightning would start further ranks through it, each with a config of its own; ours read config.yaml.
    """
    words = list(HydraConfig.get().overrides.task) if HydraConfig.initialized() else []
    if HydraConfig.initialized() or not config.resume:
        config.folder = str(config.folder)
    HydraConfig.instance().cfg = None
    return words


def _describe(task: Task, data: DataModule, trainer: L.Trainer) -> None:
    def millions(module: torch.nn.Module) -> str:
        return f"{sum(p.numel() for p in module.parameters()) / 1e6:.2f} M"

    left_out = set(data.labels.targets) - set(task.heads)
    heads = ", ".join(f"{name} {millions(head)}" for name, head in task.heads.items())
    log.info(
        "backbone %s; heads %s%s; %s on %s",
        millions(task.backbone),
        heads,
        f" (no head for {', '.join(sorted(left_out))})" if left_out else "",
        trainer.precision,
        trainer.strategy.root_device,
    )


def _write_config(plain: Plain, data: DataModule, folder: Path, again: bool) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    config = OmegaConf.to_yaml(OmegaConf.create({**plain, "data": with_tables_located(plain["data"])}))
    try:
        with (folder / "config.yaml").open("w" if again else "x", encoding="utf-8") as file:
            file.write(config)
    except FileExistsError as error:  # since we looked, see `begun`
        raise CandelabraError(
            f"{folder} was taken by another run that began at the same time; set hydra.run.dir=<folder> to another one."
        ) from error
    samples = data.open()
    with (folder / "splits.csv").open("w", newline="", encoding="utf-8", errors="backslashreplace") as file:
        table = csv.writer(file)
        table.writerow(["name", "split"])
        for split in SPLITS:
            table.writerows((samples.names[index], split) for index in data.parts[split])
    if data.oddities:
        write_oddities(data.oddities, folder / "oddities.csv")
        log.info("odd in the data: %s; see %s", summary(data.oddities), folder / "oddities.csv")


def _finish(
    task: Task,
    data: DataModule,
    served: L.LightningDataModule,
    trainer: L.Trainer,
    throughput: Throughput,
    best: str | None,
    folder: Path,
) -> None:
    """The best checkpoint's numbers on val and test, and the pictures."""
    if trainer.is_global_zero:
        wait(trainer)
        curves(folder)
    # It would put the weights that are not averaged back when a checkpoint is loaded to be tested.
    callbacks: list[L.Callback] = trainer.callbacks  # type: ignore[attr-defined]
    callbacks[:] = [callback for callback in callbacks if not isinstance(callback, WeightAveraging)]
    tables: dict[str, torch.Tensor] = {}
    speed = throughput.results()  # now: a checkpoint that is loaded brings its own back
    results: dict[str, Any] = {}
    for judge in (trainer.validate, trainer.test):
        values = judge(task, datamodule=served, ckpt_path=best, verbose=False)
        results |= {key: float(value) for key, value in values[0].items()}
        tables |= task.tables
    results |= speed
    results["epochs"] = trainer.current_epoch
    results["parameters"] = sum(p.numel() for p in task.parameters())
    if trainer.is_global_zero:
        whole = load_task(best) if best and isinstance(trainer.strategy, Fsdp) else task  # others take no part now
        results["milliseconds_per_image"] = milliseconds_per_image(whole, data, trainer)
        (folder / "results.json").write_text(json.dumps(results, indent=2) + "\n")
        write_pictures(whole, data, tables, folder)
        show_results(trainer, whole, data, folder, best)
        print_results(results, folder)
        _tell_replaced(data, folder)


def _tell_replaced(data: DataModule, folder: Path) -> None:
    """Says which images were found bad in training only; nothing tells so beforehand in sets too large to verify."""
    names = [data.open().names[index] for index in data.replaced.nonzero().flatten().tolist()]
    if names:
        found = [Oddity(name, "unreadable in training", Treatment.SKIPPED, "a grey image stood in") for name in names]
        write_oddities([*data.oddities, *found], folder / "oddities.csv")
        log.warning("%d images could not be read in training: %s", len(names), folder / "oddities.csv")
