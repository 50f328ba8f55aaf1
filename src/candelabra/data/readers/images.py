"""Images without labels, in any folders."""

from dataclasses import dataclass

import numpy as np

from candelabra.data.decoding.images import find_images
from candelabra.data.file_samples import FileSamples
from candelabra.data.readers.class_folders import recognize_split
from candelabra.data.readers.folder import check_is_folder, list_entries
from candelabra.data.readers.reader import Reader
from candelabra.data.samples import Samples
from candelabra.errors import CandelabraError


@dataclass(frozen=True, kw_only=True)
class Images(Reader):
    """All images below a folder, for tasks that learn from images alone; `root/<train|val|test>/...` are splits.

    Args:
        root: the folder.
    """

    root: str

    def read(self) -> Samples:
        root = check_is_folder(self.root)
        names = [path.relative_to(root) for path in find_images(root)]
        if not names:
            raise CandelabraError(f"data.root={self.root} holds no image; it holds {list_entries(root)}.")
        published = [recognize_split(name.parts[0]) if len(name.parts) > 1 else "" for name in names]
        return FileSamples(root, list(map(str, names)), np.array(published, dtype="<U5"), [])
