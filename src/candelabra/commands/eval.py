"""`candelabra eval`: the numbers of a checkpoint on the data it names, or where those have moved."""

import logging
from functools import partial
from pathlib import Path

from omegaconf import DictConfig

from candelabra.config.build import resolve_config
from candelabra.data.loading.original_views import OriginalViews, collate_originals
from candelabra.data.samples import ALL_SPLITS, SPLITS
from candelabra.errors import CandelabraError
from candelabra.prediction.decoding_options import set_decoding
from candelabra.prediction.trained_task import choose_trained_model, load_trained_task
from candelabra.report.pictures import write_pictures
from candelabra.report.tables import print_results
from candelabra.report.worst import write_worst
from candelabra.storage.atomic import write_atomically
from candelabra.storage.earlier_files import record_times, report_earlier_files
from candelabra.storage.strict_json import format_json
from candelabra.tasks.metrics import summarize_heads
from candelabra.tasks.mirroring import add_test_augmentation, check_test_augmentation
from candelabra.training.callbacks.sample_losses import SampleLosses
from candelabra.training.trained_data import open_trained_data
from candelabra.training.trainer import make_trainer

log = logging.getLogger(__name__)
_WRITTEN = ("*_classes.csv", "losses.csv", "pictures/*")


def run_eval(config: DictConfig) -> None:
    """Measures a checkpoint on one split, or on all together.

    Writes `results.json`, a confusion matrix and a table of classes of each head that has classes, curves of precision
    of detectors, pictures of predictions, the loss of each image in `losses.csv`, and the worst images in
    `pictures/worst.png`.

    Raises:
        CandelabraError: the checkpoint or the data cannot be used.
    """
    plain = resolve_config(config)
    if plain["split"] not in (*SPLITS, ALL_SPLITS):
        raise CandelabraError(f"split={plain['split']} is not known; allowed are train, val, test and all.")
    if plain["scale"] not in ("prepared", "original"):
        raise CandelabraError(f"scale={plain['scale']} is not known; allowed are prepared and original.")
    check_test_augmentation(plain["tta"])
    task = load_trained_task(choose_trained_model(plain))
    set_decoding(task, {"score_threshold": plain["score_threshold"]})
    add_test_augmentation(task, plain["tta"])
    cache = {"cache": "none"} if plain["scale"] == "original" else {}  # caches hold images at the size of the model
    advice = "Give data.split=<run>/splits.csv, the split of the training, or measure all with split=all."
    data = open_trained_data(task.recipe, plain["data"], plain["split"], cache, advice)
    node = plain["trainer"]
    node["precision"] = node["precision"] or task.recipe["config"]["trainer"]["precision"]
    losses = SampleLosses()
    trainer = make_trainer(node, logger=False, enable_checkpointing=False, callbacks=[losses])
    data.join_splits()
    data.plan.require_images(plain["split"])
    data.disable_augmentation()
    loader = data.make_loader(plain["split"])
    if plain["scale"] == "original":
        views = OriginalViews(data.dataset(plain["split"]))
        loader = data.load_batches(
            views, plain["split"], data.count_workers(), partial(collate_originals, labels=data.labels)
        )
    values = trainer.test(task, dataloaders=loader, verbose=False)[0]
    results = {key.replace("test/", f"{plain['split']}/", 1): float(value) for key, value in values.items()}
    folder = Path(plain["folder"])
    earlier = record_times(folder, _WRITTEN)
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / "results.json", format_json(results))
    count = len(data.parts[plain["split"]])
    log.info("measured %d images (split=%s, scale=%s)", count, plain["split"], plain["scale"])
    if plain["split"] == ALL_SPLITS and len(data.parts["train"]):
        log.info("%d of them are training images", len(data.parts["train"]))
    if trainer.is_global_zero:
        write_pictures(task, data, task.tables, folder, plain["split"])
        write_worst(task, data, plain["split"], losses.compute(), folder)
        report_earlier_files(earlier, folder)
    print_results(results, summarize_heads(task.named_heads()), folder)
