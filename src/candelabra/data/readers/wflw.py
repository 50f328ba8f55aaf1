"""WFLW's lists of faces (Wu et al. 2018): 98 points, a box and six attributes a line."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from candelabra.data.decoding.file_finder import Finder
from candelabra.data.decoding.images import find_images
from candelabra.data.file_samples import Records
from candelabra.data.issues import Oddity, Treatment
from candelabra.data.loading.datamodule import DataModule
from candelabra.data.readers import face_landmarks
from candelabra.data.readers.folder import must_be_folder
from candelabra.data.readers.object_choice import RULES, Rule
from candelabra.data.readers.point_symmetry import points
from candelabra.data.readers.repairs import mend_boxes, read_text
from candelabra.data.samples import Samples
from candelabra.errors import CandelabraError
from candelabra.types import Labels

ATTRIBUTES = ("pose", "expression", "illumination", "make-up", "occlusion", "blur")
NUMBERS = 2 * face_landmarks.WFLW + 4 + len(ATTRIBUTES)
LARGEST = 2**30  # bytes of a list


@dataclass(kw_only=True, eq=False)
class Wflw(DataModule):
    """`list_98pt_rect_attr_train.txt` and `..._test.txt` anywhere below root, and the images that they name.

    An image of several faces takes the labels of one, see `objects`.

    Args:
        root: the folder.
        objects: which of several faces is meant: largest, first, or single (then such an image has no label).
    """

    root: str
    objects: Rule = "largest"

    def read(self) -> Samples:
        if self.objects not in RULES:
            raise CandelabraError(f"data.objects={self.objects} is not known; allowed are {', '.join(RULES)}.")
        root = must_be_folder(self.root)
        oddities: list[Oddity] = []
        finder = Finder(root, find_images(root))
        seen: dict[str, tuple[str, list[NDArray[np.float32]]]] = {}
        for path in find_lists(root):
            split = "test" if "test" in path.name.lower() else "train"
            for number, line in enumerate((read_text(path, path.name, oddities, LARGEST) or "").split("\n"), 1):
                found = _face(line, f"{path.name}:{number}", finder, oddities) if line.strip() else None
                if found:
                    seen.setdefault(found[0], (split, []))[1].append(found[1])
        if not seen:
            raise CandelabraError(
                f"data.root={self.root} has no list of faces whose images are there; expected "
                f"list_98pt_rect_attr_train.txt with {NUMBERS} numbers and an image name a line."
            )
        names = list(seen)
        rows = np.stack([_choose(name, found, self.objects, oddities) for name, (_, found) in seen.items()])
        used = points(
            [str(number) for number in range(face_landmarks.WFLW)],
            None,
            face_landmarks.EYES[face_landmarks.WFLW],
            face_landmarks.mirror(98),
        )
        records = Records(
            root,
            names,
            Labels(ATTRIBUTES, True, True, used.names, used.mirror, used.normalizer),
            np.array([split for split, _ in seen.values()], dtype="<U5"),
            rows[:, -len(ATTRIBUTES) :],
            mend_boxes(rows[:, -len(ATTRIBUTES) - 4 : -len(ATTRIBUTES)], names, oddities),
            rows[:, : 2 * face_landmarks.WFLW].reshape(-1, face_landmarks.WFLW, 2),
        )
        records.oddities = oddities
        return records


def find_lists(root: Path) -> list[Path]:
    """The lists of faces below a folder."""
    return sorted(root.rglob("list_98pt_rect_attr_*.txt"))


def _face(line: str, place: str, finder: Finder, oddities: list[Oddity]) -> tuple[str, NDArray[np.float32]] | None:
    """The image of a line and its 206 numbers."""
    words = line.split(maxsplit=NUMBERS)
    try:
        if len(words) <= NUMBERS:
            raise ValueError(f"{len(words)} words, where there should be {NUMBERS + 1}")
        numbers = np.array([float(word) for word in words[:NUMBERS]], np.float32)
        if not np.isfinite(numbers).all():
            raise ValueError("a number is not finite")
    except ValueError as error:
        oddities.append(Oddity(place, "malformed line of labels", Treatment.SKIPPED, str(error)))
        return None
    name = finder.find(words[NUMBERS], "")
    if name is None:
        oddities.append(Oddity(words[NUMBERS].strip(), "listed image is not there", Treatment.SKIPPED))
        return None
    return name, numbers


def _choose(name: str, found: Sequence[NDArray[np.float32]], rule: Rule, oddities: list[Oddity]) -> NDArray[np.float32]:
    if rule == "single" and len(found) > 1:
        detail = f"{len(found)}, with data.objects=single"
        oddities.append(Oddity(name, "several objects", Treatment.UNLABELLED, detail))
        return np.full(NUMBERS, np.nan, np.float32)
    if rule == "largest":
        left, top, right, bottom = np.abs(np.stack(found)[:, -len(ATTRIBUTES) - 4 : -len(ATTRIBUTES)]).T
        return found[int(np.argmax((right - left) * (bottom - top)))]
    return found[0]
