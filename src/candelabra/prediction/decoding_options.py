"""Options of the heads that find objects, in place of those of the training."""

from collections.abc import Mapping
from typing import NamedTuple

from candelabra.config.ranges import check_ranges
from candelabra.errors import CandelabraError
from candelabra.heads import DECODING_OPTIONS, Detector
from candelabra.tasks.derived_head import DerivedHead, find_trained_head
from candelabra.tasks.task import Task


class _FoundDetector(NamedTuple):
    """A part of a head that finds objects.

    Args:
        name: of the head.
        detector: the part.
        decoded: whether an exported file gives what it found, so that nothing that was left out comes back.
    """

    name: str
    detector: Detector
    decoded: bool


def set_decoding(task: Task, options: Mapping[str, float | None]) -> None:
    """Sets options of the heads that find objects; `score_threshold` is that of all classes.

    Raises:
        CandelabraError: no head has such an option, a value is not allowed, or it is fixed in an exported file.
    """
    given = {key: value for key, value in options.items() if value is not None}
    check_ranges(given)
    detectors = _list_detectors(task) if given else []
    for key, value in given.items():
        if isinstance(value, str | bool):
            raise CandelabraError(f"{key}={value} is no number; give one.")
        if not detectors or key not in DECODING_OPTIONS:
            raise CandelabraError(f"{key}={value}: no head of this model ({', '.join(task.heads)}) finds objects.")
        for found in detectors:
            _check_fixed(found, key, value)
    for key, value in given.items():
        for _, detector, _ in detectors:
            if key == "score_threshold":
                detector.thresholds.fill_(value)
                # average precision takes lower ones too
                detector.score_threshold = min(value, detector.score_threshold)
            else:
                setattr(detector, key, value)


def _list_detectors(task: Task) -> list[_FoundDetector]:
    return [
        _FoundDetector(name, module, isinstance(head, DerivedHead) and head.decoded)
        for name, head in task.named_heads()
        for module in find_trained_head(head).modules()
        if isinstance(module, Detector)
    ]


def _check_fixed(found: _FoundDetector, key: str, value: float) -> None:
    """Checks that what an exported file found can be given with a value of an option.

    Raises:
        CandelabraError: the file has another value.
    """
    fixed = getattr(found.detector, key)
    if found.decoded and (value < fixed if key == "score_threshold" else value != fixed):
        limit = "at least " if key == "score_threshold" else ""
        raise CandelabraError(
            f"{key}={value}: the head {found.name} is decoded in this exported file, where {key} is {fixed:g}. Give "
            f"{limit}that, export it again with {key}={value}, or give checkpoint=<run> in place of the file."
        )
