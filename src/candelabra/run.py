"""The run: a composed config becomes objects, they train, and a run folder is left behind."""

import csv
import json
import logging
import os
from dataclasses import asdict
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import lightning as L
import torch
from hydra.core.hydra_config import HydraConfig
from lightning.pytorch.callbacks import EarlyStopping, LearningRateMonitor, ModelCheckpoint, TQDMProgressBar
from omegaconf import DictConfig, OmegaConf

from candelabra import RUN, __version__
from candelabra.config import Plain, build, resolve
from candelabra.data.datamodule import DataModule
from candelabra.data.samples import SPLITS
from candelabra.errors import CandelabraError, nearest
from candelabra.finetuning import Probe
from candelabra.probing import Grid, cached
from candelabra.report.pictures import curves, write_pictures
from candelabra.report.tables import coverage, print_results
from candelabra.report.trials import write_trials
from candelabra.tasks.task import Task
from candelabra.throughput import Throughput
from candelabra.types import TARGETS, Labels

log = logging.getLogger(__name__)
LOWER_IS_BETTER = ("loss", "nme")


def train(config: DictConfig) -> None:
    """Trains as the config says and writes the run folder.

    Raises:
        CandelabraError: the config, the data or the weights cannot be used; nothing was trained.
    """
    plain = resolve(config)
    folder = Path(plain["folder"])
    # Lightning would start further ranks through Hydra, each with a config of its own; ours read config.yaml.
    HydraConfig.instance().cfg = None
    L.seed_everything(plain["seed"], verbose=False)
    data: DataModule = build(plain["data"])
    labels = data.labels
    heads = plain["task"].get("heads", plain["task"])
    coverage(data, [target for target in TARGETS if heads.get(target)])
    task = build_task(plain, labels)
    metric = _monitored(task, plain["monitor"])
    rehearse(task, data)
    resume = find_checkpoint(plain["resume"], "last") if plain["resume"] else None
    throughput = Throughput()
    keepers = [] if isinstance(task.finetune, Probe) else _keepers(plain, folder, metric)
    trainer = _trainer(plain, folder, throughput, keepers)
    if trainer.is_global_zero:
        _describe(task, data, trainer)
        _write_config(plain, data, folder)
    os.environ[RUN] = str(folder.absolute())
    try:
        served = cached(task, data, build(plain["cache"]), trainer)
        best = _fit(task, served, trainer, resume, folder)
        _finish(task, data, served, trainer, throughput, best, folder)
    finally:
        os.environ.pop(RUN, None)


def build_task(plain: Plain, labels: Labels) -> Task:
    """The task of a resolved config for data with these labels."""
    finetune = build(plain["finetune"])
    backbone = build(plain["backbone"])
    if plain.get("compile"):
        backbone.compile()
    task: Task = build(
        plain["task"],
        backbone=backbone,
        labels=labels,
        finetune=finetune,
        optimizer=build(plain["optimizer"]),
        scheduler=build(plain["scheduler"]),
    )
    needed = ("backbone", "task", "finetune", "optimizer", "scheduler", "data", "trainer", "seed")
    kept = {key: plain[key] for key in needed}
    if "root" in kept["data"]:  # found again from any folder
        kept["data"] = {**kept["data"], "root": str(Path(kept["data"]["root"]).expanduser().absolute())}
    task.recipe = {
        "version": __version__,
        "config": kept,
        "labels": {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(labels).items()},
    }
    return task


def rehearse(task: Task, data: DataModule) -> None:
    """Builds the optimizer and runs one image, so that what does not fit together fails before training.

    Raises:
        CandelabraError: the optimizer refuses its arguments, or a head cannot work with this backbone or size.
    """
    try:
        task.optimizer(task.parameter_groups())
    except (ValueError, TypeError, RuntimeError) as error:
        raise CandelabraError(f"The optimizer refuses its arguments: {error}; see optimizer.* and lr.") from error
    image = data.prepared("train")[0]["image"][None]
    task.eval()
    try:
        with torch.no_grad():
            task(image)
    except (RuntimeError, ValueError, AssertionError) as error:
        raise CandelabraError(
            f"This backbone and these heads do not work on images of {image.shape[2]} x {image.shape[3]} pixels and "
            f"{image.shape[1]} channels ({str(error).splitlines()[0]}); set another data.size, backbone or decoder."
        ) from error
    task.train()


def load_task(checkpoint: str | Path) -> Task:
    """Rebuilds a trained task from a checkpoint alone, in evaluation mode; no network, no conf/, no pickle.

    Args:
        checkpoint: a `.ckpt` file, or the folder of a run (its best, else its last).

    Raises:
        CandelabraError: there is none, or it is not one of ours.
    """
    path = find_checkpoint(checkpoint)
    try:
        saved = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, ValueError, KeyError, UnpicklingError) as error:
        raise CandelabraError(f"checkpoint={path} cannot be read ({type(error).__name__}); is it complete?") from error
    recipe = saved.get("candelabra") if isinstance(saved, dict) else None
    if not recipe:
        raise CandelabraError(f"checkpoint={path} was not written by candelabra train; give one that was.")
    config = {**recipe["config"], "compile": False}
    config["backbone"] = {**config["backbone"], "weights": "none"}
    task = build_task(config, Labels.restore(recipe["labels"]))
    task.recipe = recipe
    task.load_state_dict(saved["state_dict"])
    return task.eval()


def find_checkpoint(given: str | Path, which: str = "best") -> Path:
    """The file meant by a checkpoint, or by a run folder: its `which` (best or last)."""
    path = Path(given)
    for candidate in (path, path / "checkpoints" / f"{which}.ckpt", path / "checkpoints" / "last.ckpt"):
        if candidate.is_file():
            return candidate
    raise CandelabraError(f"{given} is neither a checkpoint nor the folder of a run that has one.")


def make_trainer(node: Plain, **further: Any) -> L.Trainer:
    """Lightning's trainer, without its advertisements."""
    logging.getLogger("lightning.pytorch.utilities.rank_zero").setLevel(logging.WARNING)
    logging.getLogger("lightning.fabric.utilities.seed").setLevel(logging.WARNING)
    return build(node, **further)  # type: ignore[no-any-return]


def _fit(
    task: Task, served: L.LightningDataModule, trainer: L.Trainer, resume: Path | None, folder: Path
) -> str | None:
    """Trains, and returns the checkpoint of the best weights."""
    if not isinstance(task.finetune, Probe):
        trainer.fit(task, served, ckpt_path=resume)
        return trainer.checkpoint_callback.best_model_path or None  # type: ignore[union-attr]
    grid = Grid(task)
    trainer.fit(grid, served)
    best = folder / "checkpoints" / "best.ckpt"
    trainer.save_checkpoint(best, weights_only=True)
    if trainer.is_global_zero:
        write_trials(grid.trials, grid.best, folder)
    return str(best)


def _keepers(plain: Plain, folder: Path, metric: str) -> list[L.Callback]:
    """What keeps the best and the last weights, and stops early."""
    mode = "min" if metric.rsplit("/", 1)[-1] in LOWER_IS_BETTER else "max"
    best = ModelCheckpoint(folder / "checkpoints", "best", monitor=metric, mode=mode, enable_version_counter=False)
    # Not `save_last`: that is the last one that was also best.
    last = ModelCheckpoint(folder / "checkpoints", "last", enable_version_counter=False, save_on_train_epoch_end=True)
    stops = [] if plain["patience"] is None else [EarlyStopping(metric, patience=plain["patience"], mode=mode)]
    return [best, last, *stops]


def _trainer(plain: Plain, folder: Path, throughput: Throughput, keepers: list[L.Callback]) -> L.Trainer:
    callbacks: list[L.Callback] = [throughput, *keepers]
    loggers = [build(node) for node in _online_where_possible(plain["logger"]).values()]
    if loggers:
        callbacks.append(LearningRateMonitor("step"))
    if plain["trainer"]["enable_progress_bar"]:
        callbacks.append(Progress(refresh_rate=10))
    return make_trainer(
        plain["trainer"],
        logger=loggers,
        callbacks=callbacks,
        default_root_dir=str(folder),
        enable_checkpointing=bool(keepers),
    )


class Progress(TQDMProgressBar):
    """Lightning's progress bar, without the version number that our run folders do not have."""

    def get_metrics(self, trainer: L.Trainer, pl_module: L.LightningModule) -> dict[str, Any]:
        shown = super().get_metrics(trainer, pl_module)
        shown.pop("v_num", None)
        return shown


def _online_where_possible(loggers: Plain) -> Plain:
    """Weights & Biases without a key would stop and ask; it then works offline."""
    if "wandb" not in loggers or "WANDB_API_KEY" in os.environ:
        return loggers
    netrc = Path("~/.netrc").expanduser()
    if netrc.is_file() and "api.wandb.ai" in netrc.read_text():
        return loggers
    return {**loggers, "wandb": {**loggers["wandb"], "offline": True}}


def _monitored(task: Task, metric: str) -> str:
    known = ["val/score", "val/loss"]
    for name, measures in task.measures["val"].items():  # type: ignore[operator]
        known += [f"val/{name}/{key}" for key in measures if key not in ("count", "confusion")]
    if metric not in known:
        raise CandelabraError(f"monitor={metric} is not measured here; allowed are {nearest(metric, known)}.")
    return metric


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


def _write_config(plain: Plain, data: DataModule, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    OmegaConf.save(OmegaConf.create(plain), folder / "config.yaml")
    samples = data.open()
    with (folder / "splits.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["name", "split"])
        for split in SPLITS:
            table.writerows((samples.names[index], split) for index in data.parts[split])


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
        curves(folder)
    tables: dict[str, torch.Tensor] = {}
    results: dict[str, Any] = {}
    for judge in (trainer.validate, trainer.test):
        values = judge(task, datamodule=served, ckpt_path=best, verbose=False)
        results |= {key: float(value) for key, value in values[0].items()}
        tables |= task.tables
    results |= throughput.results()
    results["epochs"] = trainer.current_epoch
    results["parameters"] = sum(p.numel() for p in task.parameters())
    if trainer.is_global_zero:
        (folder / "results.json").write_text(json.dumps(results, indent=2) + "\n")
        write_pictures(task, data, tables, folder)
        print_results(results, folder)
