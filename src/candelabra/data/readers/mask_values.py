"""Which class each pixel value of masks means: as the options say, or as the values are that occur."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from candelabra.data.class_words import clean_class_name
from candelabra.data.decoding.images import UnreadableFile, decode_mask
from candelabra.data.decoding.paths import resolve_inside
from candelabra.data.issues import DataIssue, IssueTreatment
from candelabra.errors import CandelabraError
from candelabra.types import IGNORED

_SCANNED = 2_000  # masks; of a larger set the classes must be given
_SAMPLED = 32  # masks that are looked at first where classes are given
_MOST_JPEG = 8  # values that masks kept as JPEG may have without names
_BINARY = {0, IGNORED}
_NEAR = 32  # how far JPEG moves a 0 or 255
ValueOption = Mapping[str, int | float | str | Sequence[int | float | str]]


class MaskValues(NamedTuple):
    """What pixel values mean.

    Args:
        classes: their names.
        meaning: (256,) uint8, the class of each value.
        ignored: values that have no class on purpose.
    """

    classes: list[str]
    meaning: NDArray[np.uint8]
    ignored: list[int]


class _Scan(NamedTuple):
    """What masks hold.

    Args:
        values: from 0 to 255 that occur.
        beyond: some of those above 255.
        lossy: whether a mask is kept as JPEG.
        alone: a mask whose only value but 0 is 255, where no mask holds 255 beside others; "" for none.
    """

    values: set[int]
    beyond: list[int]
    lossy: bool
    alone: str


def name_mask_values(values: ValueOption, ignore: Sequence[int] | None) -> MaskValues:
    """As `data.values` says; 255 is ignored by default where no class has it.

    Raises:
        CandelabraError: a value is none, is there twice, or is ignored too.
    """
    given = {
        clean_class_name(str(name)): [_whole(value, values) for value in _as_list(each)]
        for name, each in values.items()
    }
    if len(given) < len(values):
        raise CandelabraError(f"data.values={dict(values)} names a class twice; give all its values in one list.")
    used = [value for each in given.values() for value in each]
    if len(set(used)) < len(used) or not all(0 <= value <= 255 for value in used):
        raise CandelabraError(f"data.values={dict(values)} should be numbers from 0 to 255, each of one class.")
    both = {name: value for name, each in given.items() for value in each if value in (ignore or ())}
    if both:
        raise CandelabraError(
            f"data.values names {', '.join(f'{name} {value}' for name, value in both.items())}, and "
            f"data.ignore={list(ignore or ())} ignores it; leave it out of one of them."
        )
    ignored = [value for value in ((IGNORED,) if ignore is None else ignore) if value not in used]
    return _combine(given, ignored)


def number_mask_classes(
    classes: Sequence[str], ignore: Sequence[int] | None, root: Path, paths: Sequence[str], issues: list[DataIssue]
) -> MaskValues:
    """Classes by index. Two classes of masks that hold nothing but 0 and 255 are those of 0 and of 255.

    Args:
        classes: their names.
        ignore: pixel values; null for 255.
        root: the folder that masks are below.
        paths: of the masks.
        issues: list to which issues are appended.

    Raises:
        CandelabraError: a class is named twice.
    """
    classes = [clean_class_name(str(name)) for name in classes]
    if len(set(classes)) < len(classes):
        raise CandelabraError(f"data.classes={list(classes)} names a class twice; give its values with data.values.")
    values = dict(zip(classes, range(len(classes)), strict=True))
    if len(classes) == 2 and ignore is None:
        seen = _scan_binary(root, paths)
        if seen and seen.values == _BINARY:
            issues.append(_describe_binary(classes, paths))
            return _combine({classes[0]: [0], classes[1]: [IGNORED]}, [])
        issues += _describe_alone(seen) if seen else []
    ignored = [IGNORED] if ignore is None else list(ignore)
    lost = [name for name, value in values.items() if value in ignored]
    if lost:
        detail = f"{', '.join(lost)}, with data.ignore={ignored}"
        issues.append(
            DataIssue(paths[0] if paths else "", "class whose pixels are ignored", IssueTreatment.USED, detail)
        )
    return _combine({name: [value] for name, value in values.items()}, ignored)


def find_mask_values(
    ignore: Sequence[int] | None, root: Path, paths: Sequence[str], issues: list[DataIssue]
) -> MaskValues:
    """A class for each value that occurs; masks of 0 and 255 alone show background and foreground.

    Args: see `number_mask_classes`.

    Raises:
        CandelabraError: there are too many masks, all pixels are ignored, or values are those of a lossy JPEG.
    """
    if len(paths) > _SCANNED:
        raise CandelabraError(
            f"Name the classes of these {len(paths)} masks, data.classes=[background,...], or their pixel values, "
            "data.values={background: 0, ...}."
        )
    seen = _scan(root, paths)
    found = seen.values
    if seen.beyond and not found - {0, *(ignore or [IGNORED])}:
        raise CandelabraError(
            f"The masks below data.root={root} hold numbers above 255, which are no classes: "
            f"{', '.join(map(str, seen.beyond))}, ... Save masks whose numbers are those of classes."
        )
    if ignore is None and not seen.beyond and seen.lossy and _is_blurred_binary(found):
        issues.append(_describe_binary(("background", "foreground"), paths, "kept as JPEG, divided at 128; "))
        return _combine({"background": range(128), "foreground": range(128, 256)}, [])
    if ignore is None and not seen.beyond and found == _BINARY:
        issues.append(_describe_binary(("background", "foreground"), paths))
        return _combine({"background": [0], "foreground": [IGNORED]}, [])
    ignored = [IGNORED] if ignore is None else list(ignore)
    issues += _describe_alone(seen) if ignore is None else []
    if seen.beyond:
        what = "pixel values above 255 are no class"
        issues.append(DataIssue(paths[0], what, IssueTreatment.UNLABELLED, ", ".join(map(str, seen.beyond))))
    values = sorted(found - set(ignored))
    if not values:
        raise CandelabraError(f"All pixels of the masks below data.root={root} are in data.ignore={ignored}.")
    if seen.lossy and len(values) > _MOST_JPEG:
        raise CandelabraError(
            f"The masks below data.root={root} are kept as JPEG, which changes their numbers: {len(values)} values "
            "occur. Save them as PNG, or name all values of each class with data.values={name: [0,1,2], ...}."
        )
    if values != list(range(len(values))):
        some = ", ".join(map(str, values[:12])) + ", ..." * (len(values) > 12)
        detail = f"{some}; {'255 is ignored; ' if IGNORED in found & set(ignored) else ''}name them with data.values"
        issues.append(DataIssue(paths[0], "pixel values with gaps, each a class", IssueTreatment.USED, detail))
    return _combine({str(value): [value] for value in values}, ignored)


def _combine(values: Mapping[str, Sequence[int]], ignored: Sequence[int]) -> MaskValues:
    if len(values) > IGNORED:
        raise CandelabraError(f"A mask holds at most {IGNORED} classes, not {len(values)}.")
    meaning = np.full(256, IGNORED, np.uint8)
    for place, each in enumerate(values.values()):
        meaning[[value for value in each if value < len(meaning)]] = place
    meaning[[value for value in ignored if 0 <= value < len(meaning)]] = IGNORED
    return MaskValues(list(values), meaning, list(ignored))


def _describe_binary(names: Sequence[str], paths: Sequence[str], how: str = "") -> DataIssue:
    detail = f"{how}0 is {names[0]}, 255 is {names[1]}; other names with data.values={{{names[0]}: 0, {names[1]}: 255}}"
    return DataIssue(paths[0], "masks of 0 and 255 alone: background and foreground", IssueTreatment.USED, detail)


def _describe_alone(seen: _Scan) -> list[DataIssue]:
    """An issue for masks of 0 and 255 among masks of other values: 255 may be a class there."""
    if not seen.alone or not seen.values - _BINARY:
        return []
    others = ", ".join(map(str, sorted(seen.values - _BINARY)[:8]))
    detail = f"255 is ignored; other masks hold {others}; if it is a class, name it with data.values"
    return [DataIssue(seen.alone, "mask of 0 and 255 among masks of other values", IssueTreatment.USED, detail)]


def _is_blurred_binary(values: set[int]) -> bool:
    """Whether values are those of 0 and 255 that JPEG has changed a little."""
    high = {value for value in values if value >= IGNORED - _NEAR}
    return 0 in values and bool(high - {IGNORED}) and all(value <= _NEAR for value in values - high)


def _scan_binary(root: Path, paths: Sequence[str]) -> _Scan | None:
    """What masks hold, first of a few, then of many if those hold 0 and 255; null where nobody can tell."""
    some = [paths[int(place)] for place in np.linspace(0, len(paths) - 1, min(len(paths), _SAMPLED))]
    try:
        seen = _scan(root, some) if some else None
        if seen and not seen.beyond and IGNORED in seen.values:
            seen = _scan(root, paths[:_SCANNED])
    except UnreadableFile:  # it is said when masks are verified
        return None
    return None if seen is None or seen.beyond else seen


def _scan(root: Path, paths: Sequence[str]) -> _Scan:
    """What masks hold; unreadable ones are left out.

    Raises:
        UnreadableFile: none can be read.
    """
    values: set[int] = set()
    beyond: set[int] = set()
    lossy, beside, alone = False, False, ""
    bad: list[UnreadableFile] = []
    for path in paths:
        try:
            mask = decode_mask(resolve_inside(root, path))
        except UnreadableFile as error:  # counts as not labelled later
            bad.append(error)
            continue
        own = set(np.unique(mask.pixels).tolist())
        beyond |= set(sorted(value for value in own if value > IGNORED)[:4])
        values |= {value for value in own if value <= IGNORED}
        if IGNORED in own:
            beside = beside or bool(own - _BINARY)
            alone = alone or ("" if own - _BINARY else path)
        lossy = lossy or any("JPEG" in each.what for each in mask.odd)
    if bad and len(bad) == len(paths):
        raise bad[0]
    return _Scan(values, sorted(beyond)[:4], lossy, "" if beside else alone)


def _as_list(values: object) -> list[object]:
    return list(values) if isinstance(values, Sequence) and not isinstance(values, str) else [values]


def _whole(value: object, values: ValueOption) -> int:
    try:
        number = float(str(value))
        if number != int(number) or isinstance(value, bool):
            raise ValueError(value)
    except (ValueError, OverflowError) as error:
        raise CandelabraError(f"data.values={dict(values)}: {value} is no whole number from 0 to 255.") from error
    return int(number)
