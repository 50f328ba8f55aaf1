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

from candelabra.config.batch_scaling import count_accumulation_steps
from candelabra.config.build import PlainConfig, build_object, resolve_config
from candelabra.data.issues import DataIssue, IssueTreatment, summarize_issues, write_issues
from candelabra.data.loading.datamodule import DataModule
from candelabra.data.samples import SPLITS
from candelabra.distributed.rendezvous import publish_config
from candelabra.environment import RUN_VARIABLE
from candelabra.errors import CandelabraError, list_nearest
from candelabra.feature_cache import ProbeGrid, cache_features
from candelabra.feature_cache.probe_table import write_probe_table
from candelabra.finetuning import Probe
from candelabra.loggers.tracking import log_results, log_run, wait_for_loggers
from candelabra.report.pictures import draw_curves, write_pictures
from candelabra.report.tables import count_labels, print_results
from candelabra.runs.checkpoints import CHECKPOINT_FOLDER, read_checkpoint
from candelabra.runs.overrides import COUNT_METRICS
from candelabra.tasks.loading import build_task, dry_run, load_task, resolve_table_paths
from candelabra.tasks.task import Task
from candelabra.training.callbacks.pruning import make_pruning
from candelabra.training.callbacks.throughput import Throughput
from candelabra.training.fsdp import FsdpStrategy
from candelabra.training.latency import measure_latency
from candelabra.training.lr_finder import LONG_RUN_EPOCHS, RangeTest, run_range_test, write_range_test
from candelabra.training.peers import monitor_peers
from candelabra.training.resume import begin_run, clear_run, continue_run, restore_position
from candelabra.training.trainer import checkpoint_callbacks, make_run_trainer, make_trainer
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
    plain, checkpoint = continue_run(config, words) if config.resume else begin_run(config, words)
    folder = Path(plain["folder"])
    L.seed_everything(plain["seed"], verbose=False)
    data: DataModule = build_object(plain["data"])
    labels = data.labels
    heads = plain["task"].get("heads", plain["task"])
    counts = count_labels(data, [target for target in TARGETS if heads.get(target)])
    if search and not config.resume:
        config.lr = find_rate(plain, data).suggestion
        plain, _ = begin_run(config, words)
        L.seed_everything(plain["seed"], verbose=False)
    task = build_task(plain, labels)
    measured = _measured(task, counts["val"])
    metric = _monitored(plain["monitor"], measured)
    epochs = plain["trainer"]["max_epochs"]
    dry_run(task, data, epochs if epochs and epochs > 0 else LONG_RUN_EPOCHS)
    throughput = Throughput()
    trial = make_pruning(measured)
    keeping = [] if isinstance(task.finetune, Probe) else [*trial, *checkpoint_callbacks(plain, folder, metric)]
    trainer = make_run_trainer(plain, data, folder, throughput, keeping)
    served = cache_features(task, data, build_object(plain["cache"]), trainer)
    if checkpoint:
        restore_position(checkpoint, data)
    if trainer.is_global_zero:
        _describe(task, data, trainer)
        if plain["anew"] and not config.resume:
            clear_run(folder)
        _write_config(plain, data, folder, again=bool(config.resume))
        publish_config((folder / "config.yaml").read_text(encoding="utf-8"))
    step = read_checkpoint(checkpoint)["global_step"] if checkpoint else 0
    os.environ[RUN_VARIABLE] = str(folder.absolute())
    try:
        with log_run(trainer, plain, step), monitor_peers(trainer, folder):
            best = _fit(task, served, trainer, checkpoint, folder)
            _finish(task, data, served, trainer, throughput, best, folder)
    finally:
        os.environ.pop(RUN_VARIABLE, None)


def find_rate(plain: PlainConfig, data: DataModule) -> RangeTest:
    """The range test with a task and a trainer of its own, so that nothing of the run to come is touched."""
    if plain.get("lr_rule", "none") != "none":
        raise CandelabraError(
            f"lr_rule={plain['lr_rule']} is for a rate that was typed; one that is looked for is that of global_batch "
            "already. Leave lr_rule out, or set lr=<number>."
        )
    task = build_task(plain, data.labels)
    dry_run(task, data, LONG_RUN_EPOCHS)
    node = plain["trainer"]
    if plain.get("global_batch") is not None:
        steps = count_accumulation_steps(plain["global_batch"], plain["data"]["batch_size"], 1)
        node = {**node, "accumulate_grad_batches": steps}
    test = run_range_test(task, data, partial(make_trainer, node), **plain["range"])
    write_range_test(test, Path(plain["folder"]))
    return test


def run_lr(config: DictConfig) -> None:
    """`candelabra lr`: the range test alone, under the words of `candelabra train`.

    Raises:
        CandelabraError: see `run_train`.
    """
    _leave_hydra(config)
    config.lr = 1.0  # of no account
    plain = resolve_config(config)
    L.seed_everything(plain["seed"], verbose=False)
    find_rate(plain, build_object(plain["data"]))


def _fit(
    task: Task, served: L.LightningDataModule, trainer: L.Trainer, checkpoint: Path | None, folder: Path
) -> str | None:
    """Trains, and returns the checkpoint of the best weights."""
    if not isinstance(task.finetune, Probe):
        trainer.fit(task, served, ckpt_path=checkpoint)
        return trainer.checkpoint_callback.best_model_path or None  # type: ignore[union-attr]
    grid = ProbeGrid(task)
    trainer.fit(grid, served)
    if not math.isfinite(grid.best.score):
        raise CandelabraError("The probe ended before its heads were compared on validation; give it more epochs.")
    best = folder / CHECKPOINT_FOLDER / "best.ckpt"
    trainer.save_checkpoint(best, weights_only=True)
    if trainer.is_global_zero:
        write_probe_table(grid.trials, grid.best, folder)
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
        judged += [key for key in keys if not key.endswith((*COUNT_METRICS, "/confusion"))]
    if not judged:
        raise CandelabraError(
            f"No validation image has a label of any head ({', '.join(task.heads)}), so there is nothing to choose the "
            "best checkpoint by; label some, or divide the images anew (data.split=random)."
        )
    return ["val/score", "val/loss", *judged]


def _monitored(metric: str, known: Sequence[str]) -> str:
    if metric not in known:
        raise CandelabraError(f"monitor={metric} is not measured here; allowed are {list_nearest(metric, known)}.")
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


def _write_config(plain: PlainConfig, data: DataModule, folder: Path, again: bool) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    config = OmegaConf.to_yaml(OmegaConf.create({**plain, "data": resolve_table_paths(plain["data"])}))
    try:
        with (folder / "config.yaml").open("w" if again else "x", encoding="utf-8") as file:
            file.write(config)
    except FileExistsError as error:  # since we looked, see `begin_run`
        raise CandelabraError(
            f"{folder} was taken by another run that began at the same time; set hydra.run.dir=<folder> to another one."
        ) from error
    samples = data.open()
    with (folder / "splits.csv").open("w", newline="", encoding="utf-8", errors="backslashreplace") as file:
        table = csv.writer(file)
        table.writerow(["name", "split"])
        for split in SPLITS:
            table.writerows((samples.names[index], split) for index in data.parts[split])
    if data.issues:
        write_issues(data.issues, folder / "issues.csv")
        log.info("odd in the data: %s; see %s", summarize_issues(data.issues), folder / "issues.csv")


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
        wait_for_loggers(trainer)
        draw_curves(folder)
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
        whole = (
            load_task(best) if best and isinstance(trainer.strategy, FsdpStrategy) else task
        )  # others take no part now
        results["milliseconds_per_image"] = measure_latency(whole, data, trainer)
        (folder / "results.json").write_text(json.dumps(results, indent=2) + "\n")
        write_pictures(whole, data, tables, folder)
        log_results(trainer, whole, data, folder, best)
        print_results(results, folder)
        _tell_replaced(data, folder)


def _tell_replaced(data: DataModule, folder: Path) -> None:
    """Says which images were found bad in training only; nothing tells so beforehand in sets too large to verify."""
    names = [data.open().names[index] for index in data.replaced.nonzero().flatten().tolist()]
    if names:
        found = [
            DataIssue(name, "unreadable in training", IssueTreatment.SKIPPED, "a grey image stood in") for name in names
        ]
        write_issues([*data.issues, *found], folder / "issues.csv")
        log.warning("%d images could not be read in training: %s", len(names), folder / "issues.csv")
