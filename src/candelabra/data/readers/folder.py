"""Images in one folder a class."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from candelabra.data.decoding.images import find_images
from candelabra.data.decoding.paths import printable_path
from candelabra.data.file_samples import FileSamples
from candelabra.data.loading.datamodule import DataModule
from candelabra.data.samples import SPLITS, Samples
from candelabra.data.sampling.split_names import parse_split_name
from candelabra.data.targets.label import LabelColumn, LabelTarget
from candelabra.errors import CandelabraError


@dataclass(kw_only=True, eq=False)
class Folder(DataModule):
    """`root/<class>/*.jpg`, or `root/<train|val|test>/<class>/*.jpg`; the class is the name of the folder.

    Args:
        root: the folder.
    """

    root: str

    def read(self) -> Samples:
        root = check_is_folder(self.root)
        children = [child for child in sorted(root.iterdir()) if child.is_dir() and not child.name.startswith(".")]
        divided = bool(children) and all(parse_split_name(child.name) for child in children)
        names, published, classes = [], [], []
        for path in find_images(root):
            parts = path.relative_to(root).parts
            if len(parts) < 2 + divided:
                continue
            names.append(str(path.relative_to(root)))
            published.append(parse_split_name(parts[0]) if divided else "")
            classes.append(printable_path(parts[1 if divided else 0]))
        if not names:
            raise CandelabraError(
                f"data.root={self.root} holds no image in a folder of its class; expected {root}/<class>/<image>.jpg "
                f"or {root}/<{'|'.join(SPLITS)}>/<class>/<image>.jpg."
            )
        known = sorted(set(classes))
        label = np.array([known.index(name) for name in classes], np.int64)
        return FileSamples(
            root, names, np.array(published, dtype="<U5"), [LabelColumn(LabelTarget(tuple(known)), label)]
        )


def check_is_folder(root: str) -> Path:
    """The folder `root` as a path.

    Raises:
        CandelabraError: there is none.
    """
    path = Path(root).expanduser()
    if not path.is_dir():
        raise CandelabraError(f"data.root={root} is not a folder (looked at {path.absolute()}); give one that exists.")
    return path
