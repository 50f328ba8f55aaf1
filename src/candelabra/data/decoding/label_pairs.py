"""Images and label files that belong together by their names."""

from collections import defaultdict
from collections.abc import Iterable

from candelabra.data.decoding.stated_paths import fold_name


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
