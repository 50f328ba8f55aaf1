"""Samples that are loaded differently have different digests, so a cache never serves one for the other."""

from pathlib import Path

import numpy as np
import pytest

from candelabra.data import DataModule, WebDataset
from candelabra.data.readers.outline_columns import OutlineColumn
from candelabra.data.samples import hash_contents
from candelabra.data.targets import InstancesTarget, MaskTarget
from candelabra.data.targets.pixel_target import PixelTarget
from tests.data.shards.test_webdataset import encode, write


def test_masks_of_shards_are_read_again_where_a_class_is_added(tmp_path: Path) -> None:
    members = [(f"{i:02}.{end}", encode(2, "PNG", (40, 30), mode)) for i in range(20)
               for end, mode in (("png", "RGB"), ("mask.png", "L"))]  # fmt: skip
    write(tmp_path / "train-000.tar", members)
    seen = []
    for classes in (["no", "yes"], ["no", "yes", "other"]):
        reader = WebDataset(root=str(tmp_path), words={"mask_classes": classes})
        data = DataModule(reader, size=16, cache="disk", workers=0, batch_size=4, augment="none")
        seen.append(next(iter(data.train_dataloader()))["mask"].unique().tolist())
    assert seen == [[255], [2]]


@pytest.mark.parametrize("target", [MaskTarget(("background", "cat")), InstancesTarget(("cat",))])
def test_a_drawing_that_nobody_labelled_is_not_one_of_nothing(target: PixelTarget) -> None:
    column = OutlineColumn(target, [None, []])
    assert np.array_equal(column.labelled(), [False, True])
    assert hash_contents(*column.content(0)) != hash_contents(*column.content(1))
