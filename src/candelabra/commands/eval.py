"""`candelabra eval`: the numbers of a checkpoint on the data it names, or where those have moved."""

import logging
from dataclasses import replace
from functools import partial
from pathlib import Path

from omegaconf import DictConfig

from candelabra.config.build import PlainConfig, build_data, resolve_config
from candelabra.data.loading.datamodule import DataModule
from candelabra.data.loading.matched_reader import MatchedReader
from candelabra.data.loading.original_views import OriginalViews, collate_originals
from candelabra.data.loading.sample_datamodule import SampleDataModule
from candelabra.data.samples import ALL_SPLITS, SPLITS
from candelabra.data.targets import Labels
from candelabra.errors import CandelabraError, list_nearest
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
from candelabra.tasks.task import Task
from candelabra.training.callbacks.sample_losses import SampleLosses
from candelabra.training.drawn_split import check_drawn_split
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
    data = open_data(plain, task)
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


def open_data(plain: PlainConfig, task: Task) -> SampleDataModule:
    """The data that a checkpoint is measured on: those of its training, or others that label the same.

    Args:
        plain: config of the command.
        task: of the checkpoint.

    Raises:
        CandelabraError: they cannot be read, are labelled otherwise, or the split would be drawn anew.
    """
    cache = {"cache": "none"} if plain["scale"] == "original" else {}  # caches hold images at the size of the model
    data = build_trained_data(task.recipe, plain["data"], plain["split"], cache)
    drawn = plain["data"]["root"] is None or not isinstance(data, DataModule)
    if drawn and plain["split"] != ALL_SPLITS and plain["data"]["split"] is None:
        advice = "Give data.split=<run>/splits.csv, the split of the training, or measure all with split=all."
        check_drawn_split(data, task.recipe.get("images"), [plain["split"]], advice)
    check_trained_labels(data, task.recipe)
    return data


def build_trained_data(recipe: PlainConfig, now: PlainConfig, split: str, changes: PlainConfig) -> SampleDataModule:
    """The data of a training where they are now, or others, whose classes get the numbers that they have in training.

    Args:
        recipe: of the checkpoint.
        now: see `relocate_data`.
        split: that is needed; others that no one divided are all of this split.
        changes: further options of the data.

    Raises:
        CandelabraError: they cannot be built.
    """
    data: SampleDataModule = build_data({**relocate_data(recipe["config"]["data"], now), **changes})
    if now["root"] is not None and isinstance(data, DataModule):
        part = data.part
        part.reader = MatchedReader(reader=part.reader, labels=Labels.from_plain(recipe["labels"]))
        if now["split"] is None and "images" in recipe:
            part.splitter = replace(part.splitter, whole=split, trained=recipe["images"])
    return data


def check_trained_labels(data: SampleDataModule, recipe: PlainConfig) -> None:
    """Checks that data label what a checkpoint was trained on.

    Raises:
        CandelabraError: they label it otherwise.
    """
    given = data.labels.drop_training_fields()
    learnt = Labels.from_plain(recipe["labels"]).drop_training_fields()
    if given != learnt:
        raise CandelabraError(
            f"These data label {data.labels.list_names()} in other words than the checkpoint was trained on: "
            f"{diff_labels(given, learnt)}; give the data it was trained on with data.root=<folder>."
        )


def relocate_data(trained: PlainConfig, now: PlainConfig) -> PlainConfig:
    """The data of a training where they are now.

    Args:
        trained: their config then.
        now: root, batch_size, workers and split (a table of them); of a union also sets, with the root of each by its
            name; null: as then.

    Raises:
        CandelabraError: the data have no such set, or have no root.
    """
    before = {"split_seed": trained["seed"]} if "split" in trained else {}  # once one seed did both
    data: PlainConfig = {**before, **trained, **{k: v for k, v in now.items() if v is not None and k != "sets"}}
    sets: PlainConfig = trained.get("sets", {})
    if "root" in data and "root" not in trained:
        roots = ", ".join(f"data.sets.{name}.root" for name in sets) or "batch_size and workers"
        raise CandelabraError(f"data.root={now['root']}: the data of this training have none; allowed are {roots}.")
    if now.get("split") is not None and "split" not in trained:
        raise CandelabraError(f"data.split={now['split']}: the sets of a union are divided each by itself.")
    if now.get("split") is not None:
        data |= {"folds": None, "fold": 0, "fraction": 1.0}  # the table says it all
    for name, change in (now["sets"] or {}).items():
        if name not in sets:
            known = list_nearest(str(name), sets) if sets else "none, for it was not trained on a union"
            raise CandelabraError(f"data.sets.{name} is not known to this checkpoint; allowed are {known}.")
        if not isinstance(change, dict) or set(change) != {"root"} or "root" not in sets[name]:
            raise CandelabraError(f"data.sets.{name}={change}: only data.sets.{name}.root=<folder> can be set here.")
        data["sets"] = {**data["sets"], name: {**sets[name], **change}}
    return data


def diff_labels(given: Labels, trained: Labels) -> str:
    """In words, the first field in which two descriptions of labels differ."""
    ours, theirs = given.to_plain(), trained.to_plain()
    for name in {**ours, **theirs}:
        if name not in ours or name not in theirs:
            return f"{name} is {'not ' if name not in ours else ''}labelled, it was {'not' if name in ours else ''}"
        field = next((key for key in ours[name] if ours[name][key] != theirs[name][key]), None)
        if field is not None:
            return f"{field} of {name} is {ours[name][field]}, it was {theirs[name][field]}"
    return "the order of targets"
