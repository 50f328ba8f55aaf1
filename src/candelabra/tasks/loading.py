"""Builds a task from a resolved config or a checkpoint, and checks it in a dry run."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from hydra.core.override_parser.overrides_parser import OverridesParser

from candelabra.config.build import PlainConfig, build_object
from candelabra.config.recipes import check_recipe, drop_typed_marks
from candelabra.config.tensor_limit import TensorLimit
from candelabra.data.loading.sample_datamodule import SampleDataModule
from candelabra.data.sampling.name_tables import is_table
from candelabra.data.targets import Labels
from candelabra.environment import __version__
from candelabra.errors import CandelabraError
from candelabra.optim.schedule_plan import check_schedule, is_frozen_run
from candelabra.plugins.records import require_plugins
from candelabra.runs.checkpoints import CHECKPOINT_FORMAT, find_checkpoint, read_checkpoint
from candelabra.runs.overrides import parse_key
from candelabra.tasks.mixup import check_blendable
from candelabra.tasks.task import Task


def build_task(plain: PlainConfig, labels: Labels) -> Task:
    """The task of a resolved config for data with these labels."""
    finetune = build_object(plain["finetune"])
    task: Task = build_object(
        require_typed_heads(plain["task"], plain.get("words", [])),
        backbone=build_object(plain["backbone"]),
        labels=labels,
        finetune=finetune,
        optimizer=build_object(plain["optimizer"]),
        scheduler=build_object(plain["scheduler"]),
    )
    needed = ("backbone", "task", "finetune", "optimizer", "scheduler", "data", "trainer", "seed")
    kept: PlainConfig = resolve_config_paths(drop_typed_marks({key: plain[key] for key in needed}))
    task.recipe = {
        "format": CHECKPOINT_FORMAT,
        "version": __version__,
        "torch": str(torch.__version__),
        "config": kept,
        "labels": labels.to_plain(),
        "plugins": plain.get("plugins", []),
    }
    return task


def require_typed_heads(task: PlainConfig, words: Sequence[str]) -> PlainConfig:
    """Takes the heads that were set on the command line out of the optional ones of a multi-task config.

    >>> task = {"heads": {"label": {}, "mask": {}}, "optional": ["label", "mask"]}
    >>> require_typed_heads(task, ["task.heads.mask.dice_weight=2"])["optional"]
    ['label']
    """
    if "heads" not in task:
        return task
    typed = {name for word in words for name in _find_head_names(word)}
    optional = task["heads"] if task.get("optional") is None else task["optional"]
    return {**task, "optional": [name for name in optional if name not in typed]}


def _find_head_names(word: str) -> list[str]:
    """The heads that an override sets: of `task.heads.mask.stride=4`, or `task.heads={mask:{stride:4}}`."""
    key = parse_key(word)
    if key.startswith("task.heads."):
        return [key.split(".")[2]]
    if key not in ("task", "task.heads") or "{" not in word:
        return []
    value: Any = OverridesParser.create().parse_override(word).value()
    heads = value.get("heads") if key == "task" else value
    return [str(name) for name in heads or ()]


def dry_run(task: Task, data: SampleDataModule, epochs: int) -> None:
    """Builds the optimizer, plans and runs an image of each data set: what does not fit fails before training.

    Raises:
        CandelabraError: the optimizer refuses its arguments, the strategy would never do what it is for, or a head
            cannot work with this backbone or size.
    """
    groups = task.parameter_groups()
    try:
        task.optimizer(groups)
    except (ValueError, TypeError, RuntimeError) as error:
        raise CandelabraError(f"The optimizer refuses its arguments: {error}; see optimizer.* and lr.") from error
    check_schedule(task.backbone, task.finetune, task.optimizer, task.scheduler, epochs)
    still = is_frozen_run(task.finetune, epochs, len(task.backbone.stages))
    if still and (task.balance.needs_gradients or task.balance.needs_losses_after_step):
        raise CandelabraError(
            "This balance weighs what heads do to a backbone that they share, and under this finetune it holds still: "
            "each head learns for itself. Choose balance=fixed, or another finetune."
        )
    if data.batchwise.blends:
        check_blendable(dict(task.named_heads()))
    prepared = data.dataset("train")
    task.eval()
    for place in data.spread_positions("train", len(data.shares)):
        image = prepared[place]["image"][None]
        for size in dict.fromkeys(data.batchwise.sizes((image.shape[2], image.shape[3]))):
            _try(task, torch.nn.functional.interpolate(image, size))
    task.train()


def _try(task: Task, image: torch.Tensor) -> None:
    try:
        with torch.no_grad():
            task(image)
    except CandelabraError:
        raise
    except (RuntimeError, ValueError, AssertionError) as error:
        raise CandelabraError(
            f"This backbone and these heads do not work on images of {image.shape[2]} x {image.shape[3]} pixels and "
            f"{image.shape[1]} channels ({str(error).splitlines()[0]}); set another data.size, backbone or decoder. "
            "Images come as RGB, so backbone.in_channels is 3."
        ) from error


def load_task(checkpoint: str | Path) -> Task:
    """Rebuilds a trained task from a checkpoint alone, in evaluation mode; no network, no conf/, no pickle.

    Args:
        checkpoint: a `.ckpt` file, or the folder of a run (its best, else its last).

    Raises:
        CandelabraError: there is none, or it is not one of ours.
    """
    path = find_checkpoint(checkpoint)
    saved = read_checkpoint(path)
    weights = {key: value for key, value in saved["state_dict"].items() if not str(key).startswith("balance.")}
    return rebuild_task(saved["candelabra"], path, f"checkpoint={checkpoint}", weights)


def rebuild_task(recipe: PlainConfig, path: Path, source: str, weights: dict[str, torch.Tensor] | None) -> Task:
    """Rebuilds the task of a recipe that a file holds, in evaluation mode.

    Args:
        recipe: see `Task.recipe`; nothing in it is believed.
        path: of the file, which is about as large as the weights.
        source: what was typed, for messages: `checkpoint=runs/first`.
        weights: state dict; null for a task whose network is not run.

    Raises:
        CandelabraError: the recipe names what is not built, or does not fit the weights.
    """
    require_plugins(recipe["plugins"], source, path)
    check_recipe(recipe["config"], source)
    config = recipe["config"]
    for key in ("backbone", "task", "finetune", "optimizer", "data", "trainer"):
        if not isinstance(config.get(key), dict):
            raise CandelabraError(f"{source} is damaged: its config has no {key}.")
    config = {"scheduler": None, "seed": 0, **config, "backbone": {**config["backbone"], "weights": "none"}}
    if "balance" in config["task"]:  # of use in training alone, where its solver is installed
        config["task"] = {**config["task"], "balance": _constant(config["task"]["balance"])}
    try:
        with TensorLimit(path.stat().st_size, source):
            task = build_task(config, Labels.from_plain(recipe["labels"]))
        if weights is not None:
            task.load_state_dict(weights)
    except CandelabraError:
        raise
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, RuntimeError, MemoryError) as error:
        raise CandelabraError(
            f"{source} is damaged, or was changed: its config and its weights do not fit together "
            f"({type(error).__name__}: {' '.join(str(error).split())[:300]})."
        ) from error
    task.recipe = recipe
    return task.eval()


def _constant(balance: PlainConfig) -> PlainConfig:
    """The weights of a balance's validation loss."""
    return {"_target_": "candelabra.balancing.Fixed", "_partial_": True, "weights": balance.get("weights")}


def resolve_config_paths(plain: PlainConfig) -> PlainConfig:
    """The same config, whose data and weights are found again from any folder."""
    backbone = dict(plain["backbone"])
    weights = backbone.get("weights")
    if isinstance(weights, str) and Path(weights).expanduser().exists():
        backbone["weights"] = str(Path(weights).expanduser().absolute())
    return {**plain, "data": _resolve_paths(plain["data"]), "backbone": backbone}


def _resolve_paths(data: PlainConfig) -> PlainConfig:
    found = resolve_table_paths(data)
    if "root" in data:
        found["root"] = str(Path(data["root"]).expanduser().absolute())
    if "sets" in data:
        found["sets"] = {name: _resolve_paths(each) for name, each in data["sets"].items()}
    return found


def resolve_table_paths(data: PlainConfig) -> PlainConfig:
    """The same data, its tables of splits, groups and weights found again from any folder."""
    found = dict(data)
    for key in ("split", "groups", "sampler"):
        word = str(data.get(key))
        if is_table(word) and Path(word.rpartition(":")[0] or word).expanduser().is_file():
            found[key] = str(Path(word).expanduser().absolute())
    if "sets" in data:
        found["sets"] = {name: resolve_table_paths(each) for name, each in data["sets"].items()}
    return found
