"""`candelabra train`: builds the objects of a config, trains, and writes the run folder."""

from contextlib import nullcontext
from pathlib import Path

import lightning as L
from omegaconf import DictConfig

from candelabra.cli.compose import detach_hydra
from candelabra.config.build import build_data, build_object
from candelabra.data.loading.sample_datamodule import SampleDataModule
from candelabra.data.sampling.splits import hash_names
from candelabra.explain.callback import make_cam_log
from candelabra.feature_cache import ProbeGrid, cache_features, save_probe
from candelabra.loggers.tracking import log_run, make_loggers
from candelabra.report.tables import count_labels, print_transfer
from candelabra.runs.checkpoints import read_checkpoint
from candelabra.runs.overrides import parse_key
from candelabra.tasks.compilation import compile_backbone
from candelabra.tasks.loading import build_task, dry_run
from candelabra.tasks.metrics import summarize_heads
from candelabra.tasks.transfer import copy_weights
from candelabra.training.callbacks.pruning import make_pruning
from candelabra.training.callbacks.throughput import Throughput
from candelabra.training.core_sharing import share_cores
from candelabra.training.drawn_split import check_resumed_images
from candelabra.training.evaluation import evaluate_run
from candelabra.training.extension import make_extension
from candelabra.training.lr_finder import LONG_RUN_EPOCHS
from candelabra.training.measured_options import measure_options
from candelabra.training.monitor import (
    check_class_count,
    check_monitor,
    check_split_classes,
    check_training_labels,
    is_validated,
    list_validation_metrics,
)
from candelabra.training.open_options import apply_typed_epochs, resolve_open_options
from candelabra.training.peers import announce_run, monitor_peers
from candelabra.training.resume import begin_run, continue_run, restore_position
from candelabra.training.run_files import start_run_folder
from candelabra.training.trainer import make_checkpoint_callbacks, make_run_trainer


def run_train(config: DictConfig) -> dict[str, float]:
    """Trains as the config says and writes the run folder.

    Returns:
        The content of results.json: metrics by name.

    Raises:
        CandelabraError: the config, the data or the weights cannot be used; nothing was trained.
    """
    words = detach_hydra(config)
    apply_typed_epochs(config, [parse_key(word) for word in words])
    searched = config.lr == "auto"
    if searched:
        config.lr = 1.0  # a placeholder until the range test below
    sized = config.data.batch_size == "auto"
    if sized:
        config.data.batch_size = None  # likewise
    plain, checkpoint = continue_run(config, words) if config.resume else begin_run(config, words)
    folder = Path(plain["folder"])
    loggers = make_loggers(plain["logger"], folder)
    L.seed_everything(plain["seed"], verbose=False)
    data: SampleDataModule = build_data(plain["data"])
    check_class_count(plain["task"], data)
    counts = count_labels(data)
    if not config.resume:
        plain = resolve_open_options(config, words, plain, data, sized)
    plain = measure_options(config, words, plain, data, searched)
    task = build_task(plain, data.labels)
    if plain.get("weights"):  # a run that goes on has them from its checkpoint before features are computed
        taken = copy_weights(task, checkpoint or plain["weights"])
        if not config.resume:
            print_transfer(taken, plain["weights"])
    check_resumed_images(checkpoint, data)
    task.recipe["images"] = hash_names(data.open().names)
    check_split_classes(task, data)
    check_training_labels(task, counts["train"])
    metrics = list_validation_metrics(task, counts["val"]) if is_validated(plain, data) else []
    metric = check_monitor(plain["monitor"], metrics) if metrics else None
    summaries = summarize_heads(task.named_heads())
    epochs = plain["trainer"]["max_epochs"]
    dry_run(task, data, epochs if epochs and epochs > 0 else LONG_RUN_EPOCHS)
    if plain.get("compile"):
        compile_backbone(task, data.dataset("train")[0]["image"])
    throughput = Throughput()
    pruning = make_pruning(metrics)
    extension = make_extension(plain, checkpoint)
    probe = task.finetune.replaces_training
    own = [*pruning, *extension, *make_cam_log(plain.get("explain"), data)]
    callbacks = [] if probe else [*own, *make_checkpoint_callbacks(plain, folder, metric, summaries)]
    trainer = make_run_trainer(plain, data, loggers, throughput, callbacks)
    served = cache_features(task, data, build_object(plain["cache"]), trainer)
    if checkpoint:
        restore_position(checkpoint, data)
    shared = share_cores(plain, data, trainer) if served is data else nullcontext()  # cached features are not loaded so
    step = read_checkpoint(checkpoint)["global_step"] if checkpoint else 0
    with shared:  # measured before the loggers' threads are at work
        start_run_folder(plain, task, data, trainer)
        with announce_run(folder), log_run(trainer, plain, step), monitor_peers(trainer, folder):
            model = ProbeGrid(task) if probe else task
            trainer.fit(model, served, ckpt_path=None if probe else checkpoint, weights_only=True)
            saved = trainer.checkpoint_callback
            best = save_probe(model, trainer, folder) if isinstance(model, ProbeGrid) else saved.best_model_path or None  # type: ignore[union-attr]
            return evaluate_run(task, data, served, trainer, throughput.results, best, folder)
