"""What a run writes into its folder before training: config.yaml, splits.csv, issues of the data."""

import csv
import logging
import shutil
from pathlib import Path

import lightning as L
from omegaconf import OmegaConf
from torch import nn

from candelabra.config.build import PlainConfig
from candelabra.config.recipes import drop_typed_marks
from candelabra.data.issues import DataIssue, IssueTreatment, summarize_issues, write_issues
from candelabra.data.loading.sample_datamodule import SampleDataModule
from candelabra.data.samples import SPLITS
from candelabra.distributed.rendezvous import publish_config
from candelabra.errors import CandelabraError, list_nearest
from candelabra.runs.checkpoints import CHECKPOINT_FOLDER
from candelabra.runs.head_metrics import HEADS_FILE
from candelabra.runs.metrics_csv import METRICS_FILE, PREVIOUS_METRICS_FILE
from candelabra.storage.atomic import write_atomically
from candelabra.storage.strict_json import format_json
from candelabra.tasks.loading import resolve_config_paths
from candelabra.tasks.metrics import summarize_heads
from candelabra.tasks.task import Task

log = logging.getLogger(__name__)
_ISSUES = "issues.csv"
_LISTED = 3  # heads without a target; the default task has nine
_WRITTEN = (
    "config.yaml",
    "splits.csv",
    METRICS_FILE,
    PREVIOUS_METRICS_FILE,
    "results.json",
    HEADS_FILE,
    CHECKPOINT_FOLDER,
)
_TRACKED = ("report.html", "tensorboard", "wandb", "wandb.id", "mlflow.id", "code.json", "embedding.npz")


def start_run_folder(plain: PlainConfig, task: Task, data: SampleDataModule, trainer: L.Trainer) -> None:
    """Logs the sizes of the networks, writes the first files and publishes the config to other ranks; on rank 0.

    Raises:
        CandelabraError: another run took the folder in the meantime.
    """
    if not trainer.is_global_zero:
        return
    folder = Path(plain["folder"])
    _log_sizes(task, data, trainer)
    if plain["overwrite"] and not plain["resume"]:
        clear_run(folder)
    write_run_config(plain, folder)
    heads = {name: each.to_plain() for name, each in summarize_heads(task.named_heads()).items()}
    write_atomically(folder / HEADS_FILE, format_json(heads))
    _write_splits(data, folder)
    if data.issues:
        write_issues(data.issues, folder / _ISSUES)
        log.info("odd in the data: %s; see %s", summarize_issues(data.issues), folder / _ISSUES)
    publish_config((folder / "config.yaml").read_text(encoding="utf-8"))


def write_run_config(plain: PlainConfig, folder: Path) -> None:
    """Writes config.yaml; that of a new run must not exist yet.

    Raises:
        CandelabraError: it exists, because another run began at the same time.
    """
    folder.mkdir(parents=True, exist_ok=True)
    config = OmegaConf.to_yaml(OmegaConf.create(resolve_config_paths(drop_typed_marks(plain))))
    try:
        with (folder / "config.yaml").open("w" if plain["resume"] else "x", encoding="utf-8") as file:
            file.write(config)
    except FileExistsError as error:  # `begin_run` saw none
        raise CandelabraError(
            f"{folder} was taken by another run that began at the same time; set folder=<folder> to another one."
        ) from error


def clear_run(folder: Path) -> None:
    """Removes the files of a run from its folder."""
    for path in [*list_run_files(folder), *(folder / name for name in _TRACKED if (folder / name).exists())]:
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def list_run_files(folder: Path) -> list[Path]:
    """Lists the files and folders of a run that are in this folder."""
    return [folder / name for name in _WRITTEN if (folder / name).exists()]


def report_replaced_images(data: SampleDataModule, folder: Path) -> None:
    """Lists images that could not be read in training; sets too large to verify beforehand find them only then."""
    names = [data.open().names[index] for index in data.replaced.nonzero().flatten().tolist()]
    if names:
        found = [
            DataIssue(name, "unreadable in training", IssueTreatment.SKIPPED, "a grey image stood in") for name in names
        ]
        write_issues([*data.issues, *found], folder / _ISSUES)
        log.warning("%d images could not be read in training: %s", len(names), folder / _ISSUES)


def _log_sizes(task: Task, data: SampleDataModule, trainer: L.Trainer) -> None:
    unused = set(data.labels.targets) - {head.target for _, head in task.named_heads()}
    log.info(
        "backbone %s; heads %s%s; %s on %s",
        _format_size(task.backbone),
        ", ".join(f"{name} {_format_size(head)}" for name, head in task.heads.items()),
        f" (no head for {', '.join(sorted(unused))})" if unused else "",
        trainer.precision,
        trainer.strategy.root_device,
    )
    if task.left_out:
        words = "left out, because the data do not label their targets: heads %s"
        log.info(words, list_nearest("", task.left_out, _LISTED))


def _format_size(module: nn.Module) -> str:
    count = sum(p.numel() for p in module.parameters())
    return f"{count / 1e6:.2f} M" if count >= 1e5 else f"{count / 1e3:.1f} k"


def _write_splits(data: SampleDataModule, folder: Path) -> None:
    samples = data.open()
    with (folder / "splits.csv").open("w", newline="", encoding="utf-8", errors="backslashreplace") as file:
        table = csv.writer(file)
        table.writerow(["name", "split"])
        for split in SPLITS:
            table.writerows((samples.names[index], split) for index in data.parts[split])
