"""Images and label files that belong together by their names."""

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from candelabra.data.decoding.images import find_images
from candelabra.data.decoding.stated_paths import fold_name
from candelabra.data.issues import DataIssue, IssueTreatment


def find_images_by_stem(root: Path, folder: Path, issues: list[DataIssue]) -> dict[str, Path]:
    """Images by their path below a folder without ending; of a.jpg and a.png the first alone is one.

    Args:
        root: the folder that names are below, for the issue.
        folder: where to look.
        issues: list to which an issue is appended for each image that is left out.
    """
    images: dict[str, Path] = {}
    for path in find_images(folder):
        first = images.setdefault(str(path.relative_to(folder).with_suffix("")), path)
        if first != path:
            name, detail = str(path.relative_to(root)), f"they are those of {first.name}"
            issues.append(DataIssue(name, "second image of the same labels", IssueTreatment.SKIPPED, detail))
    return images


def pair_by_stem(images: Iterable[str], labels: Iterable[str]) -> dict[str, str]:
    """For each label file, the image whose name it has, both without ending.

    Equal names go first. Then names that differ in letter case, in percent signs, or in composed and decomposed
    letters are equal, where one image and one label file are left for them.

    >>> pair_by_stem(["a", "IMG_1", "b", "B"], ["a", "img_1", "c", "b"])
    {'a': 'a', 'b': 'b', 'img_1': 'IMG_1'}
    """
    known, wanted = list(images), list(labels)
    there = set(known)
    pairs = {label: label for label in wanted if label in there}
    free: dict[str, list[str]] = defaultdict(list)
    left: dict[str, list[str]] = defaultdict(list)
    for image in known:
        if image not in pairs:
            free[fold_name(image)].append(image)
    for label in wanted:
        if label not in pairs:
            left[fold_name(label)].append(label)
    alone = {own[0]: free[name][0] for name, own in left.items() if len(own) == 1 and len(free.get(name, ())) == 1}
    return pairs | alone
