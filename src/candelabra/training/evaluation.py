"""The end of a run: the best checkpoint is evaluated on validation and test, and results and pictures are written."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import WeightAveraging

from candelabra.data.loading.sample_datamodule import SampleDataModule
from candelabra.loggers.tracking import log_results, wait_for_loggers
from candelabra.report.neighbors import write_neighbors
from candelabra.report.pictures import write_pictures
from candelabra.report.plots import draw_curves
from candelabra.report.tables import print_results
from candelabra.runs.head_metrics import HEADS_KEY
from candelabra.storage.atomic import write_atomically
from candelabra.storage.strict_json import format_json
from candelabra.tasks.loading import load_task
from candelabra.tasks.metrics import summarize_heads
from candelabra.tasks.task import Task
from candelabra.training.fsdp import FsdpStrategy
from candelabra.training.latency import measure_latency
from candelabra.training.run_files import report_replaced_images


def list_evaluations(trainer: L.Trainer, data: SampleDataModule) -> list[Callable[..., Any]]:
    """What the trainer can measure: validation and test, where there are images for them and no limit of 0 batches."""
    limits = {"val": trainer.limit_val_batches, "test": trainer.limit_test_batches}
    wanted = [split for split, limit in limits.items() if limit and len(data.parts[split])]
    found: dict[str, Callable[..., Any]] = {"val": trainer.validate, "test": trainer.test}
    return [found[split] for split in wanted]


def evaluate_run(
    task: Task,
    data: SampleDataModule,
    served: L.LightningDataModule,
    trainer: L.Trainer,
    speed: Callable[[], dict[str, float]],
    best: str | None,
    folder: Path,
) -> dict[str, float]:
    """Evaluates the best checkpoint and, on rank 0, writes results.json and pictures.

    Args:
        task: as trained.
        data: images.
        served: the batches: of `data`, or of cached features.
        trainer: that has trained the task.
        speed: returns the throughput of the training.
        best: the checkpoint; null takes the weights as they are.
        folder: of the run.

    Returns:
        The numbers of results.json.
    """
    summaries = summarize_heads(task.named_heads())
    if trainer.is_global_zero:
        wait_for_loggers(trainer)
        draw_curves(folder, summaries)
    # Remove WeightAveraging: whenever a checkpoint is loaded, by `trainer.test` too, it restores the weights that are
    # not averaged.
    callbacks: list[L.Callback] = trainer.callbacks  # type: ignore[attr-defined]
    callbacks[:] = [callback for callback in callbacks if not isinstance(callback, WeightAveraging)]
    throughput = speed()  # before a checkpoint is loaded, which restores the counters of its own time
    tables: dict[str, torch.Tensor] = {}
    results: dict[str, Any] = {}
    for evaluate in list_evaluations(trainer, data):
        values = evaluate(task, datamodule=served, ckpt_path=best, verbose=False, weights_only=True)
        results |= {key: float(value) for key, value in values[0].items()}
        tables |= task.tables
    results |= throughput
    results["epochs"] = trainer.current_epoch
    results["parameters"] = sum(p.numel() for p in task.parameters())
    if trainer.is_global_zero:
        # Other ranks take no part from here on, and weights divided by FSDP need them.
        whole = load_task(best) if best and isinstance(trainer.strategy, FsdpStrategy) else task
        results["milliseconds_per_image"] = measure_latency(whole, data, trainer)
        heads = {name: each.to_plain() for name, each in summaries.items()}
        write_atomically(folder / "results.json", format_json({**results, HEADS_KEY: heads}))
        write_pictures(whole, data, tables, folder)
        write_neighbors(whole, data, folder)
        log_results(trainer, whole, data, folder, best)
        print_results(results, summaries, folder)
        report_replaced_images(data, folder)
    return results
