"""Starts a task from the weights of another run: all of its backbone, and of its heads what fits."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from candelabra.data.targets import (
    BoxesTarget,
    InstancesTarget,
    Labels,
    OrdinalTarget,
    Target,
    list_target_classes,
)
from candelabra.errors import CandelabraError
from candelabra.heads import Head
from candelabra.plugins.records import require_plugins
from candelabra.runs.checkpoints import find_checkpoint, read_checkpoint
from candelabra.tasks.task import Task

# Layers with several rows or with a column a class, or one row more for the background: where classes differ, new.
_SEVERAL_ROWS = frozenset(("cls_logits", "cls_score", "bbox_pred", "criterion"))
# Counts of the labels seen in training; without them the first labels of the new data replace what the run knew.
_LABEL_COUNTS = ("scale.count", "pixels")


class TransferredPart(NamedTuple):
    """What a part of a task took from a checkpoint.

    Args:
        name: backbone, or heads.<name>.
        taken: number of parameters that come from the checkpoint.
        total: number of its parameters, buffers included, but for counts of labels, which begin anew.
        note: in words.
    """

    name: str
    taken: int
    total: int
    note: str


@torch.no_grad()
def copy_weights(task: Task, given: str | Path) -> list[TransferredPart]:
    """Copies the weights of a run into a task, in place.

    A head takes what its namesake has in the same shape. Where the classes differ, those of equal names keep their
    rows of the last layer, and the others stay as they were drawn. Counts of labels begin anew.

    Args:
        task: built, not trained.
        given: a checkpoint, or the folder of a run.

    Raises:
        CandelabraError: there is no checkpoint, or it has another backbone.
    """
    path = find_checkpoint(given)
    saved = read_checkpoint(path)
    require_plugins(saved["candelabra"]["plugins"], f"weights={given}", path)
    labels = Labels.from_plain(saved["candelabra"]["labels"])
    own = task.state_dict()
    parts = [_copy_backbone(own, saved["state_dict"], saved["candelabra"]["config"]["backbone"], given)]
    for name, head in task.named_heads():
        before = _find_saved_target(labels, name, head.target_info)
        parts.append(_copy_head(f"heads.{name}", own, saved["state_dict"], head, before))
    return parts


def _find_saved_target(labels: Labels, name: str, now: Target) -> Target | None:
    """What the namesake of a head learned in the run; null where that is of another class."""
    kind = type(now)
    if kind not in list_target_classes().values():
        return now  # what no data set labels, such as the image itself, is the same in all runs
    found = labels.select_for_head(name).find(kind)
    return found if isinstance(found, kind) else None


def _copy_backbone(
    own: Mapping[str, Tensor], saved: Mapping[str, Tensor], config: Mapping[str, object], given: str | Path
) -> TransferredPart:
    mine = {key: value for key, value in own.items() if key.startswith("backbone.")}
    wrong = [key for key, value in mine.items() if key not in saved or saved[key].shape != value.shape]
    if wrong:
        raise CandelabraError(
            f"weights={given} is of another backbone ({config.get('name', config.get('_target_'))}): {len(wrong)} of "
            f"{len(mine)} tensors do not fit, such as {wrong[0]}; write the backbone=... of that run."
        )
    total = _copy(mine, saved)
    return TransferredPart("backbone", total, total, "")


def _copy_head(
    prefix: str, own: Mapping[str, Tensor], saved: Mapping[str, Tensor], head: Head, before: Target | None
) -> TransferredPart:
    counts = tuple(f".{name}" for name in _LABEL_COUNTS)
    mine = {key: value for key, value in own.items() if key.startswith(f"{prefix}.") and not key.endswith(counts)}
    total = sum(value.numel() for value in mine.values())
    there = {key: value for key, value in mine.items() if key in saved}
    if before is None or not there:
        return TransferredPart(prefix, 0, total, "new: the run has no such head")
    fitting = {key: value for key, value in there.items() if saved[key].shape == value.shape}
    now = head.target_info
    if now.drop_training_fields() == before.drop_training_fields():
        note = "" if len(fitting) == len(mine) else "some layers differ"
        return TransferredPart(prefix, _copy(fitting, saved), total, note)
    if isinstance(now, OrdinalTarget):
        return TransferredPart(prefix, 0, total, "new: the run has other grades, or another order of them")
    classes, known = list(now.confusion_classes), list(before.confusion_classes)
    if not classes or not known:
        return TransferredPart(prefix, 0, total, "new: it predicts something else")
    if isinstance(now, BoxesTarget | InstancesTarget):  # a confusion matrix alone has a row for what is no object
        classes, known = classes[:-1], known[:-1]
    rows = {key: value for key, value in there.items() if _has_class_rows(key.removeprefix(f"{prefix}."), head)}
    by_class = {
        key: value
        for key, value in rows.items()
        if saved[key].shape[:1] == (len(known),) and value.shape == (len(classes), *saved[key].shape[1:])
    }
    mixed = {key for key in fitting if not _SEVERAL_ROWS.isdisjoint(key.split("."))}
    taken = _copy({key: value for key, value in fitting.items() if key not in rows and key not in mixed}, saved)
    shared = [name for name in classes if name in known]
    taken += sum(_copy_rows(value, saved[key], classes, known, shared) for key, value in by_class.items())
    return TransferredPart(prefix, taken, total, f"{len(shared)} of {len(classes)} classes are known")


def _has_class_rows(key: str, head: Head) -> bool:
    return any(key == name or key.startswith(f"{name}.") for name in head.list_class_rows())


def _copy(own: Mapping[str, Tensor], saved: Mapping[str, Tensor]) -> int:
    for key, value in own.items():
        value.copy_(saved[key])
    return sum(value.numel() for value in own.values())


def _copy_rows(own: Tensor, saved: Tensor, classes: Sequence[str], known: Sequence[str], shared: Sequence[str]) -> int:
    for name in shared:
        own[classes.index(name)] = saved[known.index(name)]
    return own[0].numel() * len(shared)
