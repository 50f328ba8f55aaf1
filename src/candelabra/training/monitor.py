"""Checks that heads have labels, and the validation metrics by which checkpoints are chosen."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

from candelabra.config.build import PlainConfig
from candelabra.config.probe_options import is_probe
from candelabra.data.loading.sample_datamodule import SampleDataModule
from candelabra.data.readers.auto import list_inner_formats
from candelabra.data.targets import LabelTarget, Target
from candelabra.errors import CandelabraError, list_nearest
from candelabra.heads.metric_group import list_metric_names
from candelabra.tasks.task import Task

log = logging.getLogger(__name__)


def check_class_count(task: PlainConfig, data: SampleDataModule) -> None:
    """Refuses data in which all that the heads can learn is a single class; beside boxes or points one is normal.

    Args:
        task: config of the task, which need not be built.
        data: what to learn from; read, if it is not yet.

    Raises:
        CandelabraError: there is nothing to learn.
    """
    heads = task.get("heads", task)
    learnt = [each for name, each in data.labels.items() if heads.get(name) or heads.get(type(each).name)]
    if not learnt or not all(_has_single_class(each) for each in learnt):
        return
    roots = [part.reader.folder for part in data.datasets().values()]
    hints = ", ".join(hint for root in roots if root and Path(root).is_dir() for hint in list_inner_formats(Path(root)))
    raise CandelabraError(
        f"{learnt[0].name} has a single class, {learnt[0].confusion_classes[0]!r}, so there is nothing to learn; is "
        f"data.root one folder too high{hints and f' ({hints})'}, or the wrong column read? Give images of other "
        "classes too."
    )


def _has_single_class(target: Target) -> bool:
    """Whether there is one answer for all; of several labels an image, one may be there or not."""
    return len(target.confusion_classes) == 1 and not (isinstance(target, LabelTarget) and target.multilabel)


def check_training_labels(task: Task, labelled: Mapping[str, int]) -> None:
    """Refuses a head that no training image has a label for.

    Args:
        task: with its heads.
        labelled: training images with a label, by target.

    Raises:
        CandelabraError: there is such a head.
    """
    for name, head in task.named_heads():
        if not labelled.get(head.target, labelled["images"]):  # a head may learn from the images themselves
            raise CandelabraError(
                f"No training image has a {head.target}; label some, or leave out its head (task.heads.{name}=null)."
            )
        if _has_single_class(head.target_info) and head.tables:
            only = head.target_info.confusion_classes[0]
            log.warning("head %s has one class only, %r: there is nothing to learn", name, only)


def check_split_classes(task: Task, data: SampleDataModule) -> None:
    """Refuses a classifier of images where whole classes are divided: it would be asked for classes it never saw.

    Raises:
        CandelabraError: data.split=by_class, and a head predicts the class of an image.
    """
    label = data.labels.find(LabelTarget)
    if label is None or all(part.split != "by_class" for part in data.datasets().values()):
        return
    for name, head in task.named_heads():
        if head.target == label.name and head.predicted_target.classes:
            raise CandelabraError(
                f"data.split=by_class keeps the classes of validation and test out of training, and the head {name} "
                "cannot tell classes it never saw; choose task=embedding, or another data.split."
            )


def is_validated(plain: PlainConfig, data: SampleDataModule) -> bool:
    """Whether there are validations: there are images for them, and `trainer.limit_val_batches` is not 0.

    Raises:
        CandelabraError: it is not, and an option goes by a metric of validation.
    """
    limited = plain["trainer"].get("limit_val_batches") == 0
    if len(data.parts["val"]) and not limited:
        return True
    reason = "trainer.limit_val_batches=0" if limited else "data.val=0"
    users = {
        "patience": plain["patience"] is not None,
        "scheduler=plateau": "monitor" in (plain["scheduler"] or {}),
        "finetune=probe": is_probe(plain),
    }
    for option, used in users.items():
        if used:
            raise CandelabraError(f"{option} goes by validation, which {reason} leaves out; change one of the two.")
    log.warning("%s: nothing is validated, so the weights of the last epoch are the ones that are kept", reason)
    return False


def list_validation_metrics(task: Task, labelled: Mapping[str, int]) -> list[str]:
    """Lists the validation metrics of the heads that have a labelled validation image.

    Args:
        task: whose heads are measured.
        labelled: validation images with a label, by target.

    Raises:
        CandelabraError: no head has a labelled validation image.
    """
    found: list[str] = []
    for name, head in task.named_heads():
        metrics = list_metric_names(task.metrics_of("val").of(name))
        if not labelled.get(head.target, labelled["images"]):
            log.warning("no validation image has a %s: this head is not measured on validation", name)
            continue
        excluded = {"count", *head.counts, *head.tables}
        found += [f"val/{name}/{key}" for key in metrics if key not in excluded]
    if not found:
        raise CandelabraError(
            f"No validation image has a label of any head ({', '.join(task.heads)}), so there is nothing to choose the "
            "best checkpoint by; label some, or divide the images anew (data.split=random)."
        )
    return ["val/score", "val/loss", *found]


def check_monitor(metric: str, known: Sequence[str]) -> str:
    """Returns the metric of `monitor`.

    Raises:
        CandelabraError: it is not measured.
    """
    if metric not in known:
        raise CandelabraError(f"monitor={metric} is not measured here; allowed are {list_nearest(metric, known)}.")
    return metric
